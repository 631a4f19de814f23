/* The steps of plain events in C: what `lifeguard.fast` does in Python, on the same tables.

   Every function holds the interpreter's lock from its first check to its last change, and allocates nothing that the
   collector knows in between: no other thread and no finaliser sees half a step. */

#define PY_SSIZE_T_CLEAN
#ifndef Py_BUILD_CORE_MODULE
#define Py_BUILD_CORE_MODULE
#endif
#include <Python.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030C0000
#define Py_T_OBJECT_EX T_OBJECT_EX
#define Py_T_LONGLONG T_LONGLONG
#define Py_READONLY READONLY
#endif

#include "_records.h"
#include "_asking.h"
#include "_sampling.h"

/* -- the steps ------------------------------------------------------------------------------------------------------- */

/* Of each the first function is the step itself, which takes over the reference to `code`; the second is the method of a way
   that a wrapper calls. A call that found its lane only on the way knows the frame of its caller. */

/* The optional last argument of those: a frame. */
#define TAKES(name, least) \
    if (count < least || count > least + 1) \
        return PyErr_Format(PyExc_TypeError, name "() takes %d or %d arguments, not %zd", least, least + 1, count); \
    PyObject *frame = count > least ? args[least] : NULL;

static int acquire(LaneObject *lane, PyObject *name, PyObject *key, PyObject *receiver, PyObject *code, int offset,
                   PyObject *who) {
    PlainObject *plain = who == NULL ? NULL : PyObject_New(PlainObject, &PlainType);
    if (plain == NULL) {
        PyErr_Clear();
        Py_DECREF(code);
        return 0;
    }
    plain->name = Py_NewRef(name);
    plain->code = code;
    plain->who = Py_NewRef(who);
    plain->uses = NULL;
    plain->receiver = receiver == Py_None ? NULL : receiver;
    plain->offset = offset;
    plain->seq = the_clock->seq + 1;
    int met = !PyDict_CheckExact(lane->odd) || (PyDict_GET_SIZE(lane->odd) != 0 && PyDict_Contains(lane->odd, key) != 0);
    for (Py_ssize_t i = 0; !met && i < PyTuple_GET_SIZE(lane->around); i++) {
        TableObject *table = (TableObject *)PyTuple_GET_ITEM(lane->around, i);
        met = holds(table->held, table->odd, key);
    }
    int done = !met && PyDict_SetDefault(lane->held, key, (PyObject *)plain) == (PyObject *)plain;
    if (done) {
        lane->acquired++;
        tick(the_clock, (PyObject *)plain);
    } else if (PyErr_Occurred()) {
        PyErr_Clear();
    }
    Py_DECREF(plain);
    return done;
}

static inline PyObject *acquired_as(WayObject *self, PyObject *name, PyObject *key, PyObject *receiver, PyObject *frame) {
    FlowObject *flow = is_plain_key(key) ? flow_now() : NULL;
    if (flow == NULL) Py_RETURN_FALSE;
    PyThreadState *state = PyThreadState_Get();
    LaneObject *lane = lane_in(flow, self);
    if (lane != NULL && !knows_receiver(lane, receiver)) lane = NULL;
    int offset, done = lane != NULL && leave_out(lane, key);
    PyObject *code = lane != NULL && !done ? place_of(state, frame, &offset) : NULL;
    if (code != NULL) {
        Py_INCREF(lane);
        PyObject *who = runner_inside(state, running(flow));
        done = acquire(lane, name, key, receiver, code, offset, who);
        Py_DECREF(lane);
    }
    Py_DECREF(flow);
    return PyBool_FromLong(done);
}

PyDoc_STRVAR(way_acquired_doc, "acquired(key, receiver, frame=None)\n--\n\n"
    "An acquire has returned; False where it is not plain.");

static PyObject *way_acquired(WayObject *self, PyObject *const *args, Py_ssize_t count) {
    TAKES("acquired", 2)
    return acquired_as(self, self->name, args[0], args[1], frame);
}

PyDoc_STRVAR(way_acquired_of_doc, "acquired_of(key, receiver, about, frame=None)\n--\n\n"
    "The same with subjects, behind their label.");

static PyObject *way_acquired_of(WayObject *self, PyObject *const *args, Py_ssize_t count) {
    TAKES("acquired_of", 3)
    return acquired_as(self, args[2], args[0], args[1], frame);
}

PyDoc_STRVAR(named_doc, "named(key, receiver)\n--\n\n"
    "What a release or use of this key speaks of, where that is plainly held; False where the key is in no scope's sample; else\n"
    "None.");

static PyObject *way_named(WayObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 2) return PyErr_Format(PyExc_TypeError, "named() takes 2 arguments, not %zd", count);
    FlowObject *flow = is_plain_key(args[0]) ? flow_now() : NULL;
    LaneObject *lane = lane_in(flow, self);
    PyObject *held = NULL;
    if (lane != NULL && lane->held != NULL && knows_class(lane, args[1])) {
        held = Py_XNewRef(PyDict_GetItemWithError(lane->held, args[0]));
        if (held == NULL) {
            PyErr_Clear();
            if (is_left_out(lane, args[0])) held = Py_NewRef(Py_False);
        }
    }
    Py_XDECREF(flow);
    return held != NULL ? held : Py_NewRef(Py_None);
}

/* Take a key out of a dict, if this stands there. */
static int take_out(PyObject *dict, PyObject *key, PyObject *expected) {
    PyObject *found = NULL;
#if PY_VERSION_HEX >= 0x030D0000
    if (PyDict_Pop(dict, key, &found) < 0) PyErr_Clear();
#else
    found = _PyDict_Pop(dict, key, Py_None);
    if (found == NULL) PyErr_Clear();
#endif
    if (found == expected) { Py_DECREF(found); return 1; } /* whoever expects it holds it, too */
    if (found != NULL && found != Py_None && PyDict_SetItem(dict, key, found) < 0) PyErr_Clear();
    Py_XDECREF(found);
    return 0;
}

static int release(TableObject *table, PyObject *name, PyObject *key, PlainObject *held, PyObject *code, int offset,
                   PyObject *who) {
    SettledObject *settled = NULL;
    if (table->append != Py_None) { /* something is remembered */
        settled = who == NULL ? NULL : PyObject_New(SettledObject, &SettledType);
        if (settled == NULL) {
            PyErr_Clear();
            Py_DECREF(code);
            return 0;
        }
        settled->key = Py_NewRef(key);
        settled->plain = Py_NewRef((PyObject *)held);
        settled->name = Py_NewRef(name);
        settled->code = code;
        settled->who = Py_NewRef(who);
        settled->offset = offset;
        settled->seq = the_clock->seq + 1;
    } else {
        Py_XDECREF(code);
    }
    PyObject *record = settled != NULL ? (PyObject *)settled : PyLong_FromLongLong(the_clock->seq + 1);
    if (record == NULL) { PyErr_Clear(); return 0; }
    int done = take_out(table->held, key, (PyObject *)held);
    if (done) {
        table->released++;
        tick(the_clock, record);
        if (settled != NULL) {
            PyObject *answer = PyObject_CallOneArg(table->append, record);
            if (answer == NULL) PyErr_Clear();
            Py_XDECREF(answer);
        }
    }
    Py_DECREF(record);
    return done;
}

PyDoc_STRVAR(way_released_doc, "released(key, held, frame=None)\n--\n\n"
    "A release of what was held at its begin has returned; False where it is not plain.");

static PyObject *way_released(WayObject *self, PyObject *const *args, Py_ssize_t count) {
    TAKES("released", 2)
    FlowObject *flow = Py_IS_TYPE(args[1], &PlainType) ? flow_now() : NULL;
    TableObject *table = table_of(lane_in(flow, self));
    int offset = 0, done = 0;
    if (table != NULL) {
        PyThreadState *state = PyThreadState_Get();
        int remembers = table->append != Py_None;
        PyObject *code = remembers ? place_of(state, frame, &offset) : NULL;
        if (code != NULL || !remembers) {
            Py_INCREF(table);
            PyObject *who = remembers ? runner_inside(state, running(flow)) : NULL;
            done = release(table, self->name, args[0], (PlainObject *)args[1], code, offset, who);
            Py_DECREF(table);
        }
    }
    Py_XDECREF(flow);
    return PyBool_FromLong(done);
}

static int use(TableObject *table, PyObject *name, PyObject *key, PlainObject *held, PyObject *code, int offset,
               PyObject *who) {
    long long seq = the_clock->seq + 1;
    PyObject *uses = NULL, *number = PyLong_FromLongLong(seq);
    PlainObject *plain = NULL;
    int done = 0;
    if (who != NULL && number != NULL) {
        PyObject *before = held->uses == NULL ? PyTuple_New(0) : Py_NewRef(held->uses);
        PyObject *use = before == NULL ? NULL : Py_BuildValue("(OOiLO)", name, code, offset, seq, who);
        uses = use == NULL ? NULL : PyObject_CallFunctionObjArgs(add_use, before, use, NULL);
        Py_XDECREF(before);
        Py_XDECREF(use);
        plain = uses == NULL ? NULL : PyObject_New(PlainObject, &PlainType);
    }
    Py_DECREF(code);
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
    if (the_clock->seq == seq - 1 && PyDict_GetItemWithError(table->held, key) == (PyObject *)held
        && PyDict_SetItem(table->held, key, (PyObject *)plain) == 0) {
        tick(the_clock, number);
        table->used++;
        done = 1;
    }
    Py_DECREF(plain);
end:
    Py_XDECREF(number);
    if (PyErr_Occurred()) PyErr_Clear();
    return done;
}

PyDoc_STRVAR(way_used_doc, "was_used(key, held, frame=None)\n--\n\n"
    "A use of what was held at its begin has returned; False where it is not plain.");

static PyObject *way_used(WayObject *self, PyObject *const *args, Py_ssize_t count) {
    TAKES("was_used", 2)
    FlowObject *flow = Py_IS_TYPE(args[1], &PlainType) ? flow_now() : NULL;
    TableObject *table = table_of(lane_in(flow, self));
    int offset, done = 0;
    PyThreadState *state = PyThreadState_Get();
    PyObject *code = table != NULL ? place_of(state, frame, &offset) : NULL;
    if (code != NULL) {
        Py_INCREF(table);
        PyObject *who = Py_XNewRef(runner_inside(state, running(flow)));
        done = use(table, self->name, args[0], (PlainObject *)args[1], code, offset, who);
        Py_XDECREF(who);
        Py_DECREF(table);
    }
    Py_XDECREF(flow);
    return PyBool_FromLong(done);
}

/* -- coroutines ------------------------------------------------------------------------------------------------------ */

static long long calls; /* the numbers of plain calls count downwards, those of the long way upwards */

/* Make the flow of a call current. Setting a variable may run finalisers: what the call names is looked up afterwards. */
static FlowObject *enter_flow(PyThreadState *state, FlowObject *flow) {
    if (is_alone(state, flow)) {
        flow->ident = --calls;
        flow->running = 1; /* before anything is let go, so that it is taken once */
        FlowObject *outer = (FlowObject *)Py_XNewRef((PyObject *)running(flow->outer));
        Py_XSETREF(flow->outer, outer);
        Py_CLEAR(flow->held);
        Py_CLEAR(flow->code);
        return (FlowObject *)Py_NewRef((PyObject *)flow);
    }
    FlowObject *call = new_flow(flow->lanes, running(flow), --calls);
    PyObject *token = call == NULL ? NULL : PyContextVar_Set(flow_var, (PyObject *)call);
    if (token == NULL) Py_CLEAR(call);
    Py_XDECREF(token);
    return call;
}

PyDoc_STRVAR(way_enter_doc, "enter(key, receiver, woven)\n--\n\n"
    "A call of a coroutine function begins: its flow, which is current from now on; None where it is not plain.");

static PyObject *way_enter(WayObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) return PyErr_Format(PyExc_TypeError, "enter() takes 3 arguments, not %zd", count);
    if (!self->late && !is_plain_key(args[0])) Py_RETURN_NONE;
    PyThreadState *state = PyThreadState_Get();
    FlowObject *flow = flow_now(), *call = NULL;
    LaneObject *lane = lane_in(flow, self);
    if (lane == NULL || !knows_receiver(lane, args[1])) {
        PyObject *found = PyObject_CallFunctionObjArgs(find_lane, args[2], args[1], NULL);
        if (found == NULL) PyErr_Clear();
        Py_XDECREF(found); /* among the lanes of the context, if it is one */
        Py_XSETREF(flow, flow_now());
        lane = lane_in(flow, self);
        if (lane != NULL && !knows_receiver(lane, args[1])) lane = NULL;
    }
    int offset, named = self->acquires || (lane != NULL && lane->held != NULL && PyDict_Contains(lane->held, args[0]) > 0);
    PyObject *code = lane != NULL && named ? place_of_call(state, &offset) : NULL;
    if (code != NULL && (call = enter_flow(state, flow)) != NULL) {
        call->code = Py_NewRef(code);
        call->offset = offset;
        call->began = the_clock->seq;
        lane = self->acquires ? NULL : lane_in(call, self);
        if (lane != NULL && lane->held != NULL) call->held = Py_XNewRef(PyDict_GetItemWithError(lane->held, args[0]));
        if (!self->acquires && call->held == NULL) {
            leave(call);
            Py_CLEAR(call);
        }
    }
    Py_XDECREF(code);
    Py_XDECREF(flow);
    if (PyErr_Occurred()) PyErr_Clear();
    return call != NULL ? (PyObject *)call : Py_NewRef(Py_None);
}

PyDoc_STRVAR(way_ended_doc, "ended(call, key, receiver)\n--\n\n"
    "A call of a coroutine function has returned: it is left, and recorded; False where it is not plain.");

static PyObject *way_ended(WayObject *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 3) return PyErr_Format(PyExc_TypeError, "ended() takes 3 arguments, not %zd", count);
    if (!Py_IS_TYPE(args[0], &FlowType)) return PyErr_Format(PyExc_TypeError, "no call: %R", args[0]);
    FlowObject *call = (FlowObject *)args[0];
    PyObject *key = args[1], *receiver = args[2];
    leave(call);
    FlowObject *flow = is_plain_key(key) && call->code != NULL ? flow_now() : NULL;
    LaneObject *lane = (LaneObject *)Py_XNewRef((PyObject *)lane_in(flow, self));
    PyObject *table = lane == NULL ? NULL : Py_XNewRef((PyObject *)table_of(lane));
    int done = 0;
    int plain = table != NULL && (self->acquires ? knows_receiver(lane, receiver) : Py_IS_TYPE(call->held, &PlainType));
    if (plain && self->acquires) done = leave_out(lane, key);
    if (plain && !done) {
        PyObject *who = Py_XNewRef(runner_inside(PyThreadState_Get(), running(flow)));
        PyObject *code = Py_NewRef(call->code);
        if (self->acquires)
            done = acquire(lane, self->name, key, receiver, code, call->offset, who);
        else if (self->uses)
            done = use((TableObject *)table, self->name, key, (PlainObject *)call->held, code, call->offset, who);
        else
            done = release((TableObject *)table, self->name, key, (PlainObject *)call->held, code, call->offset, who);
        Py_XDECREF(who);
    }
    Py_XDECREF(table);
    Py_XDECREF(lane);
    Py_XDECREF(flow);
    return PyBool_FromLong(done);
}

/* -- ways ------------------------------------------------------------------------------------------------------------- */

static PyObject *way_new(PyTypeObject *type, PyObject *args, PyObject *named) {
    PyObject *name;
    int acquires, uses, late;
    if (!PyArg_ParseTuple(args, "Uppp", &name, &acquires, &uses, &late)) return NULL;
    WayObject *self = (WayObject *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->name = Py_NewRef(name);
    self->acquires = acquires;
    self->uses = uses;
    self->late = late;
    return (PyObject *)self;
}

static int way_traverse(WayObject *self, visitproc visit, void *arg) {
    VISIT(lane);
    return 0;
}

static int way_clear(WayObject *self) {
    self->lanes = NULL;
    CLEAR(lane);
    return 0;
}

static void way_dealloc(WayObject *self) {
    PyObject_GC_UnTrack(self);
    way_clear(self);
    CLEAR(name);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

#define FAST(name) {#name, (PyCFunction)(void (*)(void))way_##name, METH_FASTCALL, way_##name##_doc}

static PyMethodDef way_methods[] = {
    FAST(acquired), FAST(acquired_of), {"named", (PyCFunction)(void (*)(void))way_named, METH_FASTCALL, named_doc}, FAST(released),
    {"was_used", (PyCFunction)(void (*)(void))way_used, METH_FASTCALL, way_used_doc}, FAST(enter), FAST(ended), {NULL}};

static PyTypeObject WayType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "lifeguard._speedups.Way", .tp_basicsize = sizeof(WayObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, .tp_new = way_new, .tp_traverse = (traverseproc)way_traverse,
    .tp_clear = (inquiry)way_clear, .tp_dealloc = (destructor)way_dealloc, .tp_methods = way_methods,
    .tp_doc = "Way(name, acquires, uses, late)\n--\n\nWhat the wrapper of a function calls."};

/* -- the module ------------------------------------------------------------------------------------------------------ */

PyDoc_STRVAR(connect_doc, "connect(clock, flow, files, threads, find_runner, find_lane, add_use, draw_lot)\n--\n\n"
    "Say where everything is. Called once, by lifeguard.fast.");

static PyObject *connect(PyObject *module, PyObject *args) {
    PyObject *clock, *flow, *files, *known, *runner, *lane, *use, *draw;
    if (!PyArg_ParseTuple(args, "O!O!O!O!OOOO", &ClockType, &clock, &PyContextVar_Type, &flow, &PySet_Type, &files,
                          &PyDict_Type, &known, &runner, &lane, &use, &draw))
        return NULL;
    Py_XSETREF(the_clock, (ClockObject *)Py_NewRef(clock));
    Py_XSETREF(flow_var, Py_NewRef(flow));
    Py_XSETREF(user_files, Py_NewRef(files));
    Py_XSETREF(threads, Py_NewRef(known));
    Py_XSETREF(find_runner, Py_NewRef(runner));
    Py_XSETREF(find_lane, Py_NewRef(lane));
    Py_XSETREF(add_use, Py_NewRef(use));
    Py_XSETREF(draw_lot, Py_NewRef(draw));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(ask_doc, "ask(apart)\n--\n\n"
    "This is true while a task or a greenlet may run somewhere, whose name has to be found out.");

static PyObject *ask(PyObject *module, PyObject *value) {
    Py_CLEAR(last_runner);
    Py_XSETREF(apart, Py_NewRef(value));
    Py_RETURN_NONE;
}

PyDoc_STRVAR(forget_doc, "forget_threads()\n--\n\nA thread has ended.");

static PyObject *forget_threads(PyObject *module, PyObject *unused) {
    Py_CLEAR(last_runner);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(number_doc, "number(last)\n--\n\nThe number of the event that a clock's `last` stands for.");

static PyObject *number(PyObject *module, PyObject *last) {
    if (Py_IS_TYPE(last, &PlainType)) return PyLong_FromLongLong(((PlainObject *)last)->seq);
    if (Py_IS_TYPE(last, &SettledType)) return PyLong_FromLongLong(((SettledObject *)last)->seq);
    return Py_NewRef(last);
}

static PyMethodDef functions[] = {
    {"connect", connect, METH_VARARGS, connect_doc},
    {"ask", ask, METH_O, ask_doc},
    {"number", number, METH_O, number_doc},
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
    apart = Py_NewRef(Py_False);
    #ifdef MS_WINDOWS
    loop_file = PyUnicode_FromString("asyncio\\events.py");
#else
    loop_file = PyUnicode_FromString("asyncio/events.py");
#endif
    if (get_frame == NULL || one == NULL || loop_file == NULL) return NULL;
    PyTypeObject *types[] = {&ClockType, &TableType, &LaneType, &FlowType, &WhoType, &WayType, &PlainType, &SettledType};
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        if (PyModule_AddType(module, types[i]) < 0) return NULL;
    return module;
}
