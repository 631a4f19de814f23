/* The records and tables of plain events: what `lifeguard.ledger.lanes` says in Python. Included by _speedups.c alone. */

typedef struct {
    PyObject_HEAD
    long long seq;
    PyObject *last; /* the record of the last event, or its number: what a wrapper notes when it begins */
} ClockObject;

typedef struct {
    PyObject_HEAD
    PyObject *kind, *book, *fast, *held, *odd, *log, *append;
    long long released, used, left_out;
} TableObject;

typedef struct {
    PyObject_HEAD
    PyObject *table, *held, *odd, *around, *near, *further, *books, *inside, *receivers, *classes, *limit;
    long long acquired;
    PyObject *receiver; /* the last one that was found among the receivers, compared and never followed */
    PyTypeObject *cls;  /* the last one that was found among the classes, which keep it alive */
} LaneObject;

typedef struct FlowObject {
    PyObject_HEAD
    PyObject *lanes;
    struct FlowObject *outer;
    PyObject *base, *who; /* who runs in a thread or task, and the same inside of this call, while it runs */
    PyObject *held, *code;
    long long ident, began;
    int offset;
    char running;
} FlowObject;

typedef struct {
    PyObject_HEAD
    PyObject *ident, *name;
    FlowObject *inside;
} WhoObject;

typedef struct {
    PyObject_HEAD
    PyObject *name;
    LaneObject *lane; /* the last one that was found */
    PyObject *lanes;  /* among which: compared and never followed (see lane_in) */
    int acquires, uses, late;
} WayObject;

typedef struct {
    PyObject_HEAD
    PyObject *name, *code, *who, *uses;
    void *receiver;
    long long seq;
    int offset;
} PlainObject;

typedef struct {
    PyObject_HEAD
    PyObject *key, *plain, *name, *code, *who;
    long long seq;
    int offset;
} SettledObject;

static PyTypeObject ClockType, TableType, LaneType, FlowType, WhoType, WayType, PlainType, SettledType;

static ClockObject *the_clock; /* the ledger's */

#define MEMBER(type, name) {#name, Py_T_OBJECT_EX, offsetof(type, name), 0, NULL}
#define NUMBER(type, name) {#name, Py_T_LONGLONG, offsetof(type, name), 0, NULL}

static PyMemberDef clock_members[] = {MEMBER(ClockObject, last), {NULL}};

static PyObject *clock_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    ClockObject *self = (ClockObject *)type->tp_alloc(type, 0);
    if (self != NULL && (self->last = PyLong_FromLong(0)) == NULL) Py_CLEAR(self);
    return (PyObject *)self;
}

static void clock_dealloc(ClockObject *self) {
    Py_XDECREF(self->last);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *clock_get_seq(ClockObject *self, void *unused) { return PyLong_FromLongLong(self->seq); }

static int clock_set_seq(ClockObject *self, PyObject *value, void *unused) {
    long long seq = value == NULL ? -1 : PyLong_AsLongLong(value);
    if (value == NULL || (seq == -1 && PyErr_Occurred())) {
        if (value == NULL) PyErr_SetString(PyExc_AttributeError, "seq cannot be deleted");
        return -1;
    }
    self->seq = seq;
    Py_XSETREF(self->last, Py_NewRef(value));
    return 0;
}

/* One more event, of which this is the record. */
static inline long long tick(ClockObject *self, PyObject *record) {
    PyObject *before = self->last;
    self->last = Py_NewRef(record);
    self->seq++;
    Py_DECREF(before);
    return self->seq;
}

static PyGetSetDef clock_computed[] = {
    {"seq", (getter)clock_get_seq, (setter)clock_set_seq, "The number of the last event.", NULL}, {NULL}};

static PyMemberDef table_members[] = {
    MEMBER(TableObject, kind), MEMBER(TableObject, book), MEMBER(TableObject, fast), MEMBER(TableObject, held),
    MEMBER(TableObject, odd), MEMBER(TableObject, log), MEMBER(TableObject, append), NUMBER(TableObject, released), NUMBER(TableObject, used),
    NUMBER(TableObject, left_out), {NULL}};

static PyMemberDef lane_members[] = {
    MEMBER(LaneObject, table), MEMBER(LaneObject, held), MEMBER(LaneObject, odd), MEMBER(LaneObject, around),
    MEMBER(LaneObject, near), MEMBER(LaneObject, further), MEMBER(LaneObject, books), MEMBER(LaneObject, inside), MEMBER(LaneObject, receivers), MEMBER(LaneObject, classes),
    MEMBER(LaneObject, limit), NUMBER(LaneObject, acquired), {NULL}};

#define VISIT(field) Py_VISIT(self->field)
#define CLEAR(field) Py_CLEAR(self->field)

static int table_traverse(TableObject *self, visitproc visit, void *arg) {
    VISIT(kind); VISIT(book); VISIT(fast); VISIT(held); VISIT(odd); VISIT(log); VISIT(append);
    if (PyType_HasFeature(Py_TYPE(self), Py_TPFLAGS_HEAPTYPE)) Py_VISIT(Py_TYPE(self));
    return 0;
}

static int table_clear(TableObject *self) {
    CLEAR(kind); CLEAR(book); CLEAR(fast); CLEAR(held); CLEAR(odd); CLEAR(log); CLEAR(append);
    return 0;
}

static void table_dealloc(TableObject *self) {
    PyObject_GC_UnTrack(self);
    table_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static int lane_traverse(LaneObject *self, visitproc visit, void *arg) {
    VISIT(table); VISIT(held); VISIT(odd); VISIT(around); VISIT(near); VISIT(further); VISIT(books); VISIT(inside); VISIT(receivers); VISIT(classes); VISIT(limit);
    if (PyType_HasFeature(Py_TYPE(self), Py_TPFLAGS_HEAPTYPE)) Py_VISIT(Py_TYPE(self));
    return 0;
}

static int lane_clear(LaneObject *self) {
    self->receiver = NULL;
    self->cls = NULL;
    CLEAR(table); CLEAR(held); CLEAR(odd); CLEAR(around); CLEAR(near); CLEAR(further); CLEAR(books); CLEAR(inside); CLEAR(receivers); CLEAR(classes); CLEAR(limit);
    return 0;
}

static void lane_dealloc(LaneObject *self) {
    PyObject_GC_UnTrack(self);
    lane_clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static void plain_dealloc(PlainObject *self) {
    Py_XDECREF(self->name);
    Py_XDECREF(self->code);
    Py_XDECREF(self->who);
    Py_XDECREF(self->uses);
    PyObject_Free(self);
}

static void settled_dealloc(SettledObject *self) {
    Py_XDECREF(self->key);
    Py_XDECREF(self->plain);
    Py_XDECREF(self->name);
    Py_XDECREF(self->code);
    Py_XDECREF(self->who);
    PyObject_Free(self);
}

/* Whether a flow is a call that runs, or the first such around it: borrowed, NULL where there is none. */
static inline FlowObject *running(FlowObject *flow) {
    while (flow != NULL && !flow->running) flow = flow->outer;
    return flow;
}

static FlowObject *new_flow(PyObject *lanes, FlowObject *outer, long long ident) {
    FlowObject *self = PyObject_New(FlowObject, &FlowType);
    if (self == NULL) return NULL;
    self->lanes = Py_NewRef(lanes);
    self->outer = (FlowObject *)Py_XNewRef((PyObject *)outer);
    self->base = self->who = self->held = self->code = NULL;
    self->ident = ident;
    self->began = the_clock == NULL ? 0 : the_clock->seq;
    self->offset = 0;
    self->running = ident != 0;
    return self;
}

static PyObject *flow_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    PyObject *lanes, *outer = Py_None;
    long long ident = 0;
    if (!PyArg_ParseTuple(args, "O!|OL", &PyDict_Type, &lanes, &outer, &ident)) return NULL;
    if (outer != Py_None && !Py_IS_TYPE(outer, &FlowType)) return PyErr_Format(PyExc_TypeError, "outer is no flow: %R", outer);
    return (PyObject *)new_flow(lanes, outer == Py_None ? NULL : (FlowObject *)outer, ident);
}

/* The call has ended. A Who of what happens inside of it refers to it: it must not be held on in turn. */
static inline void leave(FlowObject *self) {
    self->running = 0;
    Py_CLEAR(self->base);
    Py_CLEAR(self->who);
}

static PyObject *flow_leave(FlowObject *self, PyObject *unused) {
    leave(self);
    Py_RETURN_NONE;
}

static void flow_dealloc(FlowObject *self) {
    FlowObject *outer = self->outer;
    Py_XDECREF(self->lanes);
    Py_XDECREF(self->base);
    Py_XDECREF(self->who);
    Py_XDECREF(self->held);
    Py_XDECREF(self->code);
    PyObject_Free(self);
    while (outer != NULL && Py_REFCNT(outer) == 1) { /* a chain may be longer than the stack is deep */
        FlowObject *next = outer->outer;
        outer->outer = NULL;
        Py_DECREF(outer);
        outer = next;
    }
    Py_XDECREF(outer);
}

static PyObject *flow_running(FlowObject *self, void *unused) { return PyBool_FromLong(self->running); }

static PyObject *flow_outer(FlowObject *self, void *unused) {
    return Py_NewRef(self->outer == NULL ? Py_None : (PyObject *)self->outer);
}

static PyObject *flow_site(FlowObject *self, void *unused) {
    if (self->code == NULL || self->code == Py_None) Py_RETURN_NONE;
    return Py_BuildValue("(Oi)", self->code, self->offset);
}

static PyMemberDef flow_members[] = {
    MEMBER(FlowObject, lanes), {"held", T_OBJECT, offsetof(FlowObject, held), Py_READONLY, NULL},
    NUMBER(FlowObject, ident), NUMBER(FlowObject, began), {NULL}};

static PyGetSetDef flow_computed[] = {
    {"running", (getter)flow_running, NULL, "Whether it is a call, and runs.", NULL},
    {"outer", (getter)flow_outer, NULL, "The call that it is inside of.", NULL},
    {"site", (getter)flow_site, NULL, "Where the call was made; None where an event loop made it.", NULL}, {NULL}};

static PyMethodDef flow_methods[] = {
    {"leave", (PyCFunction)flow_leave, METH_NOARGS, "The call has ended."}, {NULL}};

static WhoObject *new_who(PyObject *ident, PyObject *name, FlowObject *inside) {
    WhoObject *self = PyObject_New(WhoObject, &WhoType);
    if (self == NULL) return NULL;
    self->ident = Py_NewRef(ident);
    self->name = Py_NewRef(name);
    self->inside = (FlowObject *)Py_XNewRef((PyObject *)inside);
    return self;
}

static PyObject *who_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    PyObject *ident, *name, *inside = NULL;
    if (!PyArg_ParseTuple(args, "OU|O!", &ident, &name, &FlowType, &inside)) return NULL;
    return (PyObject *)new_who(ident, name, (FlowObject *)inside);
}

static void who_dealloc(WhoObject *self) {
    Py_XDECREF(self->ident);
    Py_XDECREF(self->name);
    Py_XDECREF(self->inside);
    PyObject_Free(self);
}

static PyObject *who_awaiting(WhoObject *self, void *unused) {
    PyObject *idents = PyList_New(0);
    for (FlowObject *flow = self->inside; idents != NULL && flow != NULL; flow = flow->outer) {
        if (flow->ident == 0) continue;
        PyObject *ident = PyLong_FromLongLong(flow->ident);
        if (ident == NULL || PyList_Append(idents, ident) < 0) Py_CLEAR(idents);
        Py_XDECREF(ident);
    }
    if (idents == NULL || PyList_Reverse(idents) < 0) { Py_XDECREF(idents); return NULL; }
    PyObject *found = PyList_AsTuple(idents);
    Py_DECREF(idents);
    return found;
}

static PyMemberDef who_members[] = {
    {"ident", Py_T_OBJECT_EX, offsetof(WhoObject, ident), Py_READONLY, NULL},
    MEMBER(WhoObject, name), {NULL}};

static PyGetSetDef who_computed[] = {
    {"awaiting", (getter)who_awaiting, NULL, "The numbers of the coroutine calls that it runs inside of, the outermost first.",
     NULL}, {NULL}};

static PyObject *plain_fields(PlainObject *self, PyObject *unused) {
    PyObject *receiver = self->receiver == NULL ? Py_NewRef(Py_None) : PyLong_FromVoidPtr(self->receiver);
    if (receiver == NULL) return NULL;
    PyObject *uses = self->uses == NULL ? PyTuple_New(0) : Py_NewRef(self->uses);
    if (uses == NULL) { Py_DECREF(receiver); return NULL; }
    PyObject *head = Py_BuildValue("(OOiLON)", self->name, self->code, self->offset, self->seq, self->who, receiver);
    if (head == NULL) { Py_DECREF(uses); return NULL; }
    PyObject *all = PySequence_Concat(head, uses);
    Py_DECREF(head);
    Py_DECREF(uses);
    return all;
}

static PyObject *settled_fields(SettledObject *self, PyObject *unused) {
    return Py_BuildValue("(OOOOiLO)", self->key, self->plain, self->name, self->code, self->offset, self->seq, self->who);
}

static PyMethodDef plain_methods[] = {
    {"fields", (PyCFunction)plain_fields, METH_NOARGS, "What it says, as the tuple that it is without this module."}, {NULL}};

static PyMethodDef settled_methods[] = {
    {"fields", (PyCFunction)settled_fields, METH_NOARGS, "What it says, as the tuple that it is without this module."}, {NULL}};

#define BASE Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE

static PyTypeObject ClockType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Clock", .tp_basicsize = sizeof(ClockObject),
    .tp_flags = BASE, .tp_new = clock_new, .tp_dealloc = (destructor)clock_dealloc, .tp_members = clock_members,
    .tp_getset = clock_computed,
    .tp_doc = "The ledger's sequence: the number of the last event."};

static PyTypeObject TableType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.TableBase", .tp_basicsize = sizeof(TableObject),
    .tp_flags = BASE | Py_TPFLAGS_HAVE_GC, .tp_new = PyType_GenericNew, .tp_members = table_members,
    .tp_traverse = (traverseproc)table_traverse, .tp_clear = (inquiry)table_clear,
    .tp_dealloc = (destructor)table_dealloc, .tp_doc = "The fields of a table."};

static PyTypeObject LaneType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.LaneBase", .tp_basicsize = sizeof(LaneObject),
    .tp_flags = BASE | Py_TPFLAGS_HAVE_GC, .tp_new = PyType_GenericNew, .tp_members = lane_members,
    .tp_traverse = (traverseproc)lane_traverse, .tp_clear = (inquiry)lane_clear,
    .tp_dealloc = (destructor)lane_dealloc, .tp_doc = "The fields of a lane."};

static PyTypeObject FlowType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Flow", .tp_basicsize = sizeof(FlowObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = flow_new, .tp_dealloc = (destructor)flow_dealloc,
    .tp_members = flow_members, .tp_getset = flow_computed, .tp_methods = flow_methods,
    .tp_doc = "Flow(lanes, outer=None, ident=0)\n--\n\nThe lanes of a context, and the coroutine call that it is inside of."};

static PyTypeObject WhoType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Who", .tp_basicsize = sizeof(WhoObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_new = who_new, .tp_dealloc = (destructor)who_dealloc,
    .tp_members = who_members, .tp_getset = who_computed,
    .tp_doc = "Who(ident, name, inside=None)\n--\n\nA thread, a task or a greenlet, and the coroutine calls that it runs inside of."};

static PyTypeObject PlainType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Plain", .tp_basicsize = sizeof(PlainObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_dealloc = (destructor)plain_dealloc, .tp_methods = plain_methods,
    .tp_doc = "What is plainly held."};

static PyTypeObject SettledType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Settled", .tp_basicsize = sizeof(SettledObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_dealloc = (destructor)settled_dealloc, .tp_methods = settled_methods,
    .tp_doc = "What was plainly held, and its release."};
