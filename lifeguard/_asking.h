/* Who runs, where a call was made, and which lane it has: what the steps ask before they begin. Included by _speedups.c alone. */

/* Of these versions the insides are known: a caller is found without making a frame object of it. Other versions are asked
   through what is public. */
#define KNOWN_INSIDE (PY_VERSION_HEX >= 0x030B0000 && PY_VERSION_HEX < 0x030E0000)
#if KNOWN_INSIDE
#include <internal/pycore_context.h>
#include <internal/pycore_frame.h>
#include <internal/pycore_hamt.h>
#endif

static PyObject *flow_var;      /* lifeguard.context.FLOW */
static PyObject *user_files;    /* lifeguard.places.USER_FILES */
static PyObject *threads;       /* lifeguard.fast.WHO */
static PyObject *apart;         /* true while a task or a greenlet may run somewhere */
static PyObject *find_runner;   /* lifeguard.fast.runner */
static PyObject *find_lane;     /* lifeguard.fast.find */
static PyObject *add_use;       /* lifeguard.ledger.lanes.with_use */
static PyObject *get_frame;     /* sys._getframe */
static PyObject *one, *loop_file;

static uint64_t last_state, last_switch; /* when the runner was looked up last: in which thread, after which switch */
static PyObject *last_runner;

/* The thread, task or greenlet that runs: borrowed, or NULL without an exception where that is not known.

   The interpreter counts, for each thread, how often another context was entered or left; its context variables keep their
   last value by that count, and so is kept here who runs. A task, a callback and a greenlet each run in a context that was
   entered for them. */
static PyObject *runner(PyThreadState *state) {
    if (last_runner != NULL && last_state == state->id && last_switch == state->context_ver) return last_runner;
    uint64_t id = state->id, switches = state->context_ver;
    PyObject *who = NULL;
    int tasks = PyObject_IsTrue(apart);
    if (tasks == 0) {
        PyObject *number = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
        if (number != NULL) who = Py_XNewRef(PyDict_GetItemWithError(threads, number));
        Py_XDECREF(number);
    } else if (tasks > 0) {
        who = PyObject_CallNoArgs(find_runner);
        if (who != NULL && !Py_IS_TYPE(who, &WhoType)) Py_CLEAR(who);
    }
    if (who == NULL) { PyErr_Clear(); return NULL; }
    last_state = id;
    last_switch = switches;
    PyObject *before = last_runner;
    last_runner = who;
    Py_XDECREF(before);
    return who;
}

/* The same, with the coroutine call that it runs inside of: borrowed. */
static PyObject *runner_inside(PyThreadState *state, FlowObject *inside) {
    PyObject *base = runner(state);
    if (base == NULL || inside == NULL || !inside->running) return base; /* to ask takes time: it may have ended */
    if (inside->base != base || inside->who == NULL) {
        WhoObject *who = new_who(((WhoObject *)base)->ident, ((WhoObject *)base)->name, inside);
        if (who == NULL) { PyErr_Clear(); return NULL; }
        Py_XSETREF(inside->base, Py_NewRef(base));
        Py_XSETREF(inside->who, (PyObject *)who);
    }
    return inside->who;
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
static PyCodeObject *caller(PyThreadState *state, int *offset) {
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

/* Of a frame, the code and where it stands: a new reference, or NULL without an exception. Without a frame it is the one that
   called the wrapper that runs. */
static PyCodeObject *code_of(PyThreadState *state, PyObject *frame, int *offset) {
    if (frame == NULL) {
#if KNOWN_INSIDE
        return (PyCodeObject *)Py_XNewRef((PyObject *)caller(state, offset));
#else
        frame = PyObject_CallOneArg(get_frame, one);
        if (frame == NULL) { PyErr_Clear(); return NULL; }
#endif
    } else {
        Py_INCREF(frame);
    }
    PyCodeObject *code = PyFrame_Check(frame) ? PyFrame_GetCode((PyFrameObject *)frame) : NULL;
    if (code != NULL) *offset = PyFrame_GetLasti((PyFrameObject *)frame);
    Py_DECREF(frame);
    return code;
}

/* The same, if it is the user's own. */
static PyObject *place_of(PyThreadState *state, PyObject *frame, int *offset) {
    PyCodeObject *code = code_of(state, frame, offset);
    if (code != NULL && is_users(code)) return (PyObject *)code;
    Py_XDECREF(code);
    return NULL;
}

static PyCodeObject *last_step; /* the code that was found to be that of an event loop, where it runs a task */

static int is_step(PyCodeObject *code) {
    if (code == last_step) return 1;
    if (PyUnicode_CompareWithASCIIString(code->co_name, "_run") != 0) return 0;
    int known = PyUnicode_Tailmatch(code->co_filename, loop_file, 0, PY_SSIZE_T_MAX, 1) == 1;
    if (known) Py_XSETREF(last_step, (PyCodeObject *)Py_NewRef((PyObject *)code));
    return known;
}

/* Where a call of a coroutine function is made: None where an event loop makes it. */
static PyObject *place_of_call(PyThreadState *state, int *offset) {
    PyCodeObject *code = code_of(state, NULL, offset);
    if (code != NULL && is_users(code)) return (PyObject *)code;
    int step = code != NULL && is_step(code);
    Py_XDECREF(code);
    return step ? Py_NewRef(Py_None) : NULL;
}

/* The flow of the running context: a new reference, NULL without an exception where there is none. */
static FlowObject *flow_now(void) {
    PyObject *flow;
    if (PyContextVar_Get(flow_var, NULL, &flow) < 0 || flow == NULL) { PyErr_Clear(); return NULL; }
    if (Py_IS_TYPE(flow, &FlowType)) return (FlowObject *)flow;
    Py_DECREF(flow);
    return NULL;
}

#if KNOWN_INSIDE
#if PY_VERSION_HEX < 0x030C0000 /* Python/hamt.c has it to itself there */
typedef struct {
    PyObject_VAR_HEAD
    uint32_t b_bitmap;
    PyObject *b_array[1];
} PyHamtNode_Bitmap;
#endif

static PyTypeObject *bitmap_type; /* of the nodes of a context's tree that are small, as their root nearly always is */

static int is_bitmap(PyObject *node) {
    if (Py_TYPE(node) == bitmap_type) return 1;
    if (bitmap_type != NULL || strcmp(Py_TYPE(node)->tp_name, "hamt_bitmap_node") != 0) return 0;
    bitmap_type = Py_TYPE(node); /* a static type of the interpreter */
    return 1;
}

/* Whether the flow of a call that has ended, which is the current one, is known to nobody else, so that it can be that of the
   next call, and no variable has to be set. The caller holds one reference to it.

   A context keeps its variables in a tree that is never changed: setting one makes another tree, and a copy of a context
   has the same. So the flow is ours alone where the context is alone with its tree, the tree with its root, the root with
   the flow, and no record and no other flow refers to that: then no context was copied since it was set, or none of the
   copies is left. */
static int is_alone(PyThreadState *state, FlowObject *flow) {
    if (flow->ident == 0 || flow->running || Py_REFCNT(flow) != 2 || state->context == NULL) return 0;
    PyHamtObject *tree = ((PyContext *)state->context)->ctx_vars;
    if (Py_REFCNT(tree) != 1 || Py_REFCNT(tree->h_root) != 1 || !is_bitmap((PyObject *)tree->h_root)) return 0;
    PyHamtNode_Bitmap *root = (PyHamtNode_Bitmap *)tree->h_root;
    for (Py_ssize_t i = 0; i + 1 < Py_SIZE(root); i += 2)
        if (root->b_array[i] == flow_var) return root->b_array[i + 1] == (PyObject *)flow;
    return 0;
}
#else
static int is_alone(PyThreadState *state, FlowObject *flow) { return 0; }
#endif

/* The lane of a function there: borrowed from the flow, NULL without an exception where there is none.

   A way keeps the last one that it found. It is still the right one while it is open: the book that it leads to holds its
   dict of lanes, so that no other one stands at the same address; and one that was closed has no dict of odd keys. */
static LaneObject *lane_in(FlowObject *flow, WayObject *way) {
    if (flow == NULL) return NULL;
    if (way->lanes == flow->lanes && PyDict_CheckExact(way->lane->odd)) return way->lane;
    PyObject *lane = PyDict_GetItemWithError(flow->lanes, (PyObject *)way);
    if (lane == NULL || !PyObject_TypeCheck(lane, &LaneType)) { PyErr_Clear(); return NULL; }
    if (!PyDict_CheckExact(((LaneObject *)lane)->odd)) return NULL;
    way->lanes = flow->lanes;
    Py_XSETREF(way->lane, (LaneObject *)Py_NewRef(lane));
    return (LaneObject *)lane;
}

/* The table that a lane leads to: borrowed. */
static TableObject *table_of(LaneObject *lane) {
    PyObject *table = lane == NULL ? NULL : lane->table;
    return table != NULL && PyObject_TypeCheck(table, &TableType) ? (TableObject *)table : NULL;
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
