/* The steps of plain events in C: what `lifeguard.fast` does in Python, on the same tables.

   Every function holds the interpreter's lock from its first check to its last change, and allocates nothing that the
   collector knows in between: no other thread and no finaliser sees half a step. */

#define PY_SSIZE_T_CLEAN
#ifndef Py_BUILD_CORE_MODULE
#define Py_BUILD_CORE_MODULE
#endif
#include <Python.h>
#include <structmember.h>

/* Of these versions the insides are known: a caller is found without making a frame object of it. Other versions are asked
   through what is public. */
#define KNOWN_INSIDE (PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000)
#if KNOWN_INSIDE
#include <internal/pycore_frame.h>
#endif

#if PY_VERSION_HEX < 0x030C0000
#define Py_T_OBJECT_EX T_OBJECT_EX
#define Py_T_LONGLONG T_LONGLONG
#define Py_READONLY READONLY
#endif

/* -- the records and tables ---------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    long long seq;
    long long recorded;
} ClockObject;

typedef struct {
    PyObject_HEAD
    PyObject *kind, *book, *fast, *held, *odd, *log, *append;
    long long released, used, left_out;
} TableObject;

typedef struct {
    PyObject_HEAD
    PyObject *table, *held, *odd, *around, *books, *inside, *receivers, *classes, *limit;
    long long acquired;
    PyObject *receiver; /* the last one that was found among the receivers, compared and never followed */
    PyTypeObject *cls;  /* the last one that was found among the classes, which keep it alive */
} LaneObject;

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

static PyTypeObject ClockType, TableType, LaneType, PlainType, SettledType;

static PyObject *lanes_var;     /* lifeguard.context.LANES */
static PyObject *user_files;    /* lifeguard.places.USER_FILES */
static PyObject *threads;       /* lifeguard.fast.WHO */
static PyObject *here;          /* says whether a task or a greenlet runs; None where there can be none */
static PyObject *loop_of_asyncio; /* asyncio's own answer to that */
static PyObject *find_runner;   /* lifeguard.fast.who_runs */
static PyObject *add_use;       /* lifeguard.ledger.lanes.with_use */
static ClockObject *the_clock;
static PyObject *get_frame;     /* sys._getframe */
static PyObject *one, *loop_name;

static unsigned long last_ident; /* the thread whose Who was looked up last, and that */
static PyObject *last_who;

#define MEMBER(type, name) {#name, Py_T_OBJECT_EX, offsetof(type, name), 0, NULL}
#define NUMBER(type, name) {#name, Py_T_LONGLONG, offsetof(type, name), 0, NULL}

static PyMemberDef clock_members[] = {NUMBER(ClockObject, seq), NUMBER(ClockObject, recorded), {NULL}};

static PyMemberDef table_members[] = {
    MEMBER(TableObject, kind), MEMBER(TableObject, book), MEMBER(TableObject, fast), MEMBER(TableObject, held),
    MEMBER(TableObject, odd), MEMBER(TableObject, log), MEMBER(TableObject, append), NUMBER(TableObject, released), NUMBER(TableObject, used),
    NUMBER(TableObject, left_out), {NULL}};

static PyMemberDef lane_members[] = {
    MEMBER(LaneObject, table), MEMBER(LaneObject, held), MEMBER(LaneObject, odd), MEMBER(LaneObject, around),
    MEMBER(LaneObject, books), MEMBER(LaneObject, inside), MEMBER(LaneObject, receivers), MEMBER(LaneObject, classes),
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
    VISIT(table); VISIT(held); VISIT(odd); VISIT(around); VISIT(books); VISIT(inside); VISIT(receivers); VISIT(classes); VISIT(limit);
    if (PyType_HasFeature(Py_TYPE(self), Py_TPFLAGS_HEAPTYPE)) Py_VISIT(Py_TYPE(self));
    return 0;
}

static int lane_clear(LaneObject *self) {
    self->receiver = NULL;
    self->cls = NULL;
    CLEAR(table); CLEAR(held); CLEAR(odd); CLEAR(around); CLEAR(books); CLEAR(inside); CLEAR(receivers); CLEAR(classes); CLEAR(limit);
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
    .tp_flags = BASE, .tp_new = PyType_GenericNew, .tp_members = clock_members,
    .tp_doc = "The ledger's sequence: the number of the last event, and how many acquires any scope recorded."};

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

static PyTypeObject PlainType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Plain", .tp_basicsize = sizeof(PlainObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_dealloc = (destructor)plain_dealloc, .tp_methods = plain_methods,
    .tp_doc = "What is plainly held."};

static PyTypeObject SettledType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Settled", .tp_basicsize = sizeof(SettledObject),
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_dealloc = (destructor)settled_dealloc, .tp_methods = settled_methods,
    .tp_doc = "What was plainly held, and its release."};

/* -- who, where, which way ------------------------------------------------------------------------------------------- */

/* Whether it is worth asking for a task or a greenlet. */
static int may_run_apart(void) {
#if PY_VERSION_HEX < 0x030C0000
    /* asyncio's answer costs a system call there; a thread in which no loop has ever run is known by its dict */
    if (here == loop_of_asyncio) {
        PyObject *dict = PyThreadState_GetDict();
        if (dict == NULL || PyDict_GetItemWithError(dict, loop_name) != NULL) return 1;
        return PyErr_Occurred() ? (PyErr_Clear(), 1) : 0;
    }
#endif
    return 1;
}

/* Who runs: a new reference, or NULL without an exception where that is not known. */
static PyObject *who_runs(void) {
    if (here != Py_None && may_run_apart()) {
        PyObject *special = PyObject_CallNoArgs(here);
        if (special == NULL) { PyErr_Clear(); return NULL; }
        int is_special = special != Py_None;
        Py_DECREF(special);
        if (is_special) {
            PyObject *who = PyObject_CallNoArgs(find_runner);
            if (who == NULL) PyErr_Clear();
            return who;
        }
    }
    unsigned long ident = PyThread_get_thread_ident();
    if (last_who != NULL && ident == last_ident) return Py_NewRef(last_who);
    PyObject *number = PyLong_FromUnsignedLong(ident);
    if (number == NULL) { PyErr_Clear(); return NULL; }
    PyObject *who = PyDict_GetItemWithError(threads, number);
    Py_DECREF(number);
    if (who == NULL) { PyErr_Clear(); return NULL; }
    last_ident = ident;
    Py_XSETREF(last_who, Py_NewRef(who));
    return Py_NewRef(who);
}

static PyCodeObject *last_code; /* the last code that was found to be the user's own */

static int is_users(PyCodeObject *code) {
    if (code == last_code) return 1;
    int known = PySet_Contains(user_files, code->co_filename);
    if (known < 0) PyErr_Clear();
    if (known <= 0) return 0;
    PyCodeObject *before = last_code;
    last_code = (PyCodeObject *)Py_NewRef((PyObject *)code);
    Py_XDECREF(before);
    return 1;
}

#if KNOWN_INSIDE
/* The code that called the wrapper that runs: borrowed from its frame. */
static PyCodeObject *caller(int *offset) {
    PyThreadState *state = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030D0000
    _PyInterpreterFrame *frame = state->current_frame;
#else
    _PyInterpreterFrame *frame = state->cframe->current_frame;
#endif
    for (int found = 0; frame != NULL; frame = frame->previous) {
        if (_PyFrame_IsIncomplete(frame)) continue;
        if (found++) break;
    }
    if (frame == NULL) return NULL;
    *offset = _PyInterpreterFrame_LASTI(frame) * (int)sizeof(_Py_CODEUNIT);
#if PY_VERSION_HEX >= 0x030D0000
    return PyCode_Check(frame->f_executable) ? (PyCodeObject *)frame->f_executable : NULL;
#else
    return frame->f_code;
#endif
}
#endif

/* The code of a frame of the user's own, and where it stands: a new reference, or NULL without an exception. Without a
   frame it is the one that called the wrapper that runs. */
static PyObject *place_of(PyObject *frame, int *offset) {
    PyCodeObject *code;
    if (frame == NULL) {
#if KNOWN_INSIDE
        code = caller(offset);
        return code != NULL && is_users(code) ? Py_NewRef((PyObject *)code) : NULL;
#else
        frame = PyObject_CallOneArg(get_frame, one);
        if (frame == NULL) { PyErr_Clear(); return NULL; }
#endif
    } else {
        Py_INCREF(frame);
    }
    if (!PyFrame_Check(frame)) { Py_DECREF(frame); return NULL; }
    code = PyFrame_GetCode((PyFrameObject *)frame);
    *offset = PyFrame_GetLasti((PyFrameObject *)frame);
    Py_DECREF(frame);
    if (is_users(code)) return (PyObject *)code;
    Py_DECREF(code);
    return NULL;
}

/* The lane of a function in this context: borrowed from the context, NULL without an exception where there is none. */
static LaneObject *lane_of(PyObject *woven) {
    PyObject *lanes;
    if (PyContextVar_Get(lanes_var, NULL, &lanes) < 0 || lanes == NULL) { PyErr_Clear(); return NULL; }
    PyObject *lane = PyDict_CheckExact(lanes) ? PyDict_GetItemWithError(lanes, woven) : NULL;
    Py_DECREF(lanes); /* a context or a node holds it on */
    if (lane == NULL) { PyErr_Clear(); return NULL; }
    return PyObject_TypeCheck(lane, &LaneType) ? (LaneObject *)lane : NULL;
}

/* The table that it leads to: a new reference. */
static TableObject *table_of(PyObject *woven) {
    LaneObject *lane = lane_of(woven);
    PyObject *table = lane == NULL ? NULL : lane->table;
    return table != NULL && PyObject_TypeCheck(table, &TableType) ? (TableObject *)Py_NewRef(table) : NULL;
}

static inline int is_plain_key(PyObject *key) { return PyUnicode_CheckExact(key) || PyLong_CheckExact(key); }

static int knows_receiver(LaneObject *lane, PyObject *receiver) {
    if (receiver == Py_None || receiver == lane->receiver) return 1;
    PyObject *number = PyLong_FromVoidPtr(receiver);
    int known = number == NULL ? -1 : PySequence_Contains(lane->receivers, number);
    Py_XDECREF(number);
    if (known < 0) PyErr_Clear();
    if (known > 0) lane->receiver = receiver;
    return known > 0;
}

static int knows_class(LaneObject *lane, PyObject *receiver) {
    if (receiver == Py_None || Py_TYPE(receiver) == lane->cls) return 1;
    int known = PySequence_Contains(lane->classes, (PyObject *)Py_TYPE(receiver));
    if (known < 0) PyErr_Clear();
    if (known > 0) lane->cls = Py_TYPE(receiver);
    return known > 0;
}

/* Whether a table holds a key, in whatever way. A lane that leads nowhere has no dict in place of the odd ones. */
static int holds(PyObject *held, PyObject *odd, PyObject *key) {
    if (held == NULL || odd == NULL || !PyDict_CheckExact(odd)) return 1;
    if (PyDict_GET_SIZE(odd) != 0) {
        int found = PyDict_Contains(odd, key);
        if (found != 0) { if (found < 0) PyErr_Clear(); return 1; }
    }
    int found = PyDict_Contains(held, key);
    if (found < 0) PyErr_Clear();
    return found != 0;
}

/* -- samples (see `lifeguard.keys.sampling`) --------------------------------------------------------------------------- */

static PyObject *draw_lot; /* lifeguard.keys.lot */
static unsigned int crc_table[256];

static void make_crc_table(void) {
    for (unsigned int byte = 0; byte < 256; byte++) {
        unsigned int crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xEDB88320u : crc >> 1;
        crc_table[byte] = crc;
    }
}

/* The lot that a plain key has drawn; -1 without an exception where that cannot be said. */
static long long lot_of(PyObject *key) {
    char digits[24];
    const char *text = digits;
    Py_ssize_t length = -1;
    if (PyUnicode_CheckExact(key)) {
        if (PyUnicode_IS_COMPACT_ASCII(key)) {
            text = (const char *)PyUnicode_1BYTE_DATA(key);
            length = PyUnicode_GET_LENGTH(key);
        }
    } else {
        int overflow;
        long long number = PyLong_AsLongLongAndOverflow(key, &overflow);
        if (!overflow) length = PyOS_snprintf(digits, sizeof digits, "%lld", number);
    }
    if (length < 0) {
        PyObject *answer = PyObject_CallOneArg(draw_lot, key);
        long long drawn = answer == NULL ? -1 : PyLong_AsLongLong(answer);
        Py_XDECREF(answer);
        if (PyErr_Occurred()) PyErr_Clear();
        return drawn;
    }
    unsigned int crc = 0xFFFFFFFFu;
    for (Py_ssize_t i = 0; i < length; i++) crc = crc_table[(crc ^ (unsigned char)text[i]) & 0xFF] ^ (crc >> 8);
    return (unsigned int)((crc ^ 0xFFFFFFFFu) * 0x9E3779B1u);
}

/* Whether a plain key is in no scope's sample, on a lane of a scope that watches a sample. */
static int is_left_out(LaneObject *lane, PyObject *key) {
    return lot_of(key) >= PyLong_AsLongLong(lane->limit);
}

/* -- the steps ------------------------------------------------------------------------------------------------------- */

PyDoc_STRVAR(acquired_doc, "acquired(woven, name, key, receiver, frame=None)\n--\n\n"
    "An acquire has returned; False where it is not plain.");

static PyObject *acquired(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (count < 4 || count > 5) return PyErr_Format(PyExc_TypeError, "acquired() takes 4 or 5 arguments, not %zd", count);
    PyObject *key = args[2], *receiver = args[3];
    LaneObject *lane = is_plain_key(key) ? lane_of(args[0]) : NULL;
    if (lane == NULL || !knows_receiver(lane, receiver)) Py_RETURN_FALSE;
    if (lane->limit != Py_None && is_left_out(lane, key)) {
        if (!PyObject_TypeCheck(lane->table, &TableType)) Py_RETURN_FALSE;
        ((TableObject *)lane->table)->left_out++;
        Py_RETURN_TRUE;
    }
    Py_INCREF(lane);
    int offset, done = 0;
    PyObject *code = place_of(count == 5 ? args[4] : NULL, &offset);
    PyObject *who = code == NULL ? NULL : who_runs();
    PlainObject *plain = who == NULL ? NULL : PyObject_New(PlainObject, &PlainType);
    if (plain == NULL) {
        PyErr_Clear();
        Py_XDECREF(code);
        Py_XDECREF(who);
        goto end;
    }
    plain->name = Py_NewRef(args[1]);
    plain->code = code;
    plain->who = who;
    plain->uses = NULL;
    plain->receiver = receiver == Py_None ? NULL : receiver;
    plain->offset = offset;
    int met = 0;
    for (Py_ssize_t i = 0; !met && i < PyTuple_GET_SIZE(lane->around); i++) {
        TableObject *table = (TableObject *)PyTuple_GET_ITEM(lane->around, i);
        met = holds(table->held, table->odd, key);
    }
    if (!met && !holds(lane->held, lane->odd, key)) {
        plain->seq = the_clock->seq + 1;
        if (PyDict_SetItem(lane->held, key, (PyObject *)plain) < 0) {
            PyErr_Clear();
        } else {
            the_clock->seq = plain->seq;
            the_clock->recorded++;
            lane->acquired++;
            done = 1;
        }
    }
    Py_DECREF(plain);
end:
    Py_DECREF(lane);
    return PyBool_FromLong(done);
}

PyDoc_STRVAR(named_doc, "named(woven, key, receiver)\n--\n\n"
    "What a release or use of this key speaks of, where that is plainly held; else None.");

static PyObject *named(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) return PyErr_Format(PyExc_TypeError, "named() takes 3 arguments, not %zd", count);
    LaneObject *lane = is_plain_key(args[1]) ? lane_of(args[0]) : NULL;
    if (lane == NULL || lane->held == NULL || !knows_class(lane, args[2])) Py_RETURN_NONE;
    PyObject *held = PyDict_GetItemWithError(lane->held, args[1]);
    if (held == NULL) { PyErr_Clear(); Py_RETURN_NONE; }
    return Py_NewRef(held);
}

PyDoc_STRVAR(left_out_doc, "left_out(woven, key, receiver)\n--\n\n"
    "Whether a release or use is of a key that is in no scope's sample.");

static PyObject *left_out(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) return PyErr_Format(PyExc_TypeError, "left_out() takes 3 arguments, not %zd", count);
    LaneObject *lane = is_plain_key(args[1]) ? lane_of(args[0]) : NULL;
    return PyBool_FromLong(lane != NULL && lane->limit != NULL && lane->limit != Py_None && knows_class(lane, args[2])
                           && is_left_out(lane, args[1]));
}

/* Whether a key is still plainly held as it was. */
static int still_held(TableObject *table, PyObject *key, PyObject *plain) {
    PyObject *now = PyDict_GetItemWithError(table->held, key);
    if (now == NULL) PyErr_Clear();
    return now == plain;
}

PyDoc_STRVAR(released_doc, "released(woven, name, key, held, frame=None)\n--\n\n"
    "A release of what was held at its begin has returned; False where it is not plain.");

static PyObject *released(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (count < 4 || count > 5) return PyErr_Format(PyExc_TypeError, "released() takes 4 or 5 arguments, not %zd", count);
    PyObject *key = args[2];
    PlainObject *held = (PlainObject *)args[3];
    TableObject *table = Py_IS_TYPE((PyObject *)held, &PlainType) ? table_of(args[0]) : NULL;
    if (table == NULL) Py_RETURN_FALSE;
    int done = 0;
    SettledObject *settled = NULL;
    if (table->append != Py_None) { /* something is remembered */
        int offset;
        PyObject *code = place_of(count == 5 ? args[4] : NULL, &offset);
        PyObject *who = code == NULL ? NULL : who_runs();
        settled = who == NULL ? NULL : PyObject_New(SettledObject, &SettledType);
        if (settled == NULL) {
            PyErr_Clear();
            Py_XDECREF(code);
            Py_XDECREF(who);
            goto end;
        }
        settled->key = Py_NewRef(key);
        settled->plain = Py_NewRef((PyObject *)held);
        settled->name = Py_NewRef(args[1]);
        settled->code = code;
        settled->who = who;
        settled->offset = offset;
    }
    if (still_held(table, key, (PyObject *)held)) {
        the_clock->seq++;
        table->released++;
        if (PyDict_DelItem(table->held, key) < 0) PyErr_Clear();
        if (settled != NULL) {
            settled->seq = the_clock->seq;
            PyObject *answer = PyObject_CallOneArg(table->append, (PyObject *)settled);
            if (answer == NULL) PyErr_Clear();
            Py_XDECREF(answer);
        }
        done = 1;
    }
    Py_XDECREF(settled);
end:
    Py_DECREF(table);
    return PyBool_FromLong(done);
}

PyDoc_STRVAR(was_used_doc, "was_used(woven, name, key, held, frame=None)\n--\n\n"
    "A use of what was held at its begin has returned; False where it is not plain.");

static PyObject *was_used(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    if (count < 4 || count > 5) return PyErr_Format(PyExc_TypeError, "was_used() takes 4 or 5 arguments, not %zd", count);
    PyObject *key = args[2];
    PlainObject *held = (PlainObject *)args[3];
    TableObject *table = Py_IS_TYPE((PyObject *)held, &PlainType) ? table_of(args[0]) : NULL;
    if (table == NULL) Py_RETURN_FALSE;
    int offset, done = 0;
    PyObject *code = place_of(count == 5 ? args[4] : NULL, &offset);
    PyObject *who = code == NULL ? NULL : who_runs();
    PyObject *uses = NULL;
    PlainObject *plain = NULL;
    long long seq = the_clock->seq + 1;
    if (who != NULL) {
        PyObject *before = held->uses == NULL ? PyTuple_New(0) : Py_NewRef(held->uses);
        PyObject *use = before == NULL ? NULL : Py_BuildValue("(OOiLO)", args[1], code, offset, seq, who);
        uses = use == NULL ? NULL : PyObject_CallFunctionObjArgs(add_use, before, use, NULL);
        Py_XDECREF(before);
        Py_XDECREF(use);
        plain = uses == NULL ? NULL : PyObject_New(PlainObject, &PlainType);
    }
    Py_XDECREF(code);
    Py_XDECREF(who);
    if (plain == NULL) {
        Py_XDECREF(uses);
        goto end;
    }
    plain->name = Py_NewRef(held->name);
    plain->code = Py_NewRef(held->code);
    plain->who = Py_NewRef(held->who);
    plain->uses = uses;
    plain->receiver = held->receiver;
    plain->seq = held->seq;
    plain->offset = held->offset;
    if (the_clock->seq == seq - 1 && still_held(table, key, (PyObject *)held)
        && PyDict_SetItem(table->held, key, (PyObject *)plain) == 0) {
        the_clock->seq = seq;
        table->used++;
        done = 1;
    }
    Py_DECREF(plain);
end:
    if (PyErr_Occurred()) PyErr_Clear();
    Py_DECREF(table);
    return PyBool_FromLong(done);
}

/* -- the module ------------------------------------------------------------------------------------------------------ */

PyDoc_STRVAR(connect_doc, "connect(clock, lanes, files, threads, find_runner, add_use, draw_lot)\n--\n\n"
    "Say where everything is. Called once, by lifeguard.fast.");

static PyObject *connect(PyObject *module, PyObject *args) {
    PyObject *clock, *lanes, *files, *known, *runner, *use, *draw;
    if (!PyArg_ParseTuple(args, "O!O!O!O!OOO", &ClockType, &clock, &PyContextVar_Type, &lanes, &PySet_Type, &files,
                          &PyDict_Type, &known, &runner, &use, &draw))
        return NULL;
    Py_XSETREF(the_clock, (ClockObject *)Py_NewRef(clock));
    Py_XSETREF(lanes_var, Py_NewRef(lanes));
    Py_XSETREF(user_files, Py_NewRef(files));
    Py_XSETREF(threads, Py_NewRef(known));
    Py_XSETREF(find_runner, Py_NewRef(runner));
    Py_XSETREF(add_use, Py_NewRef(use));
    Py_XSETREF(draw_lot, Py_NewRef(draw));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(ask_doc, "ask(function, of_asyncio)\n--\n\n"
    "Ask this whether a task or a greenlet runs, whose name has to be found out; None where there can be none.\n"
    "The second argument says whether it is asyncio's own function.");

static PyObject *ask(PyObject *module, PyObject *args) {
    PyObject *function;
    int of_asyncio;
    if (!PyArg_ParseTuple(args, "Op", &function, &of_asyncio)) return NULL;
    Py_XSETREF(here, Py_NewRef(function));
    Py_XSETREF(loop_of_asyncio, of_asyncio ? Py_NewRef(function) : NULL);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(forget_doc, "forget_threads()\n--\n\nA thread has ended.");

static PyObject *forget_threads(PyObject *module, PyObject *unused) {
    Py_CLEAR(last_who);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"acquired", (PyCFunction)(void (*)(void))acquired, METH_FASTCALL, acquired_doc},
    {"named", (PyCFunction)(void (*)(void))named, METH_FASTCALL, named_doc},
    {"released", (PyCFunction)(void (*)(void))released, METH_FASTCALL, released_doc},
    {"was_used", (PyCFunction)(void (*)(void))was_used, METH_FASTCALL, was_used_doc},
    {"left_out", (PyCFunction)(void (*)(void))left_out, METH_FASTCALL, left_out_doc},
    {"connect", connect, METH_VARARGS, connect_doc},
    {"ask", ask, METH_VARARGS, ask_doc},
    {"forget_threads", forget_threads, METH_NOARGS, forget_doc},
    {NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "lifeguard._speedups", .m_size = -1, .m_methods = functions,
    .m_doc = "The steps of plain events in C: what lifeguard.fast does in Python, on the same tables."};

PyMODINIT_FUNC PyInit__speedups(void) {
    PyObject *module = PyModule_Create(&definition);
    PyObject *sys = PyImport_ImportModule("sys");
    if (module == NULL || sys == NULL) return NULL;
    make_crc_table();
    get_frame = PyObject_GetAttrString(sys, "_getframe");
    Py_DECREF(sys);
    one = PyLong_FromLong(1);
    loop_name = PyUnicode_InternFromString("__asyncio_running_event_loop__");
    here = Py_NewRef(Py_None);
    if (get_frame == NULL || one == NULL || loop_name == NULL) return NULL;
    if (PyModule_AddType(module, &ClockType) < 0 || PyModule_AddType(module, &TableType) < 0
        || PyModule_AddType(module, &LaneType) < 0 || PyModule_AddType(module, &PlainType) < 0
        || PyModule_AddType(module, &SettledType) < 0)
        return NULL;
    return module;
}
