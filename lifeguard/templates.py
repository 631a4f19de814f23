"""The source of wrappers: one template a form, and those of the fast lane.

All names that begin with `lg_` are ours; the others are the function's parameters. The wrapper's parameters are the
function's own, so that no arguments are packed and no signature is bound; while no scope is open a call costs one look at
a list.
"""

from __future__ import annotations

from lifeguard.fast import Simple
from lifeguard.keys import lot_of
from lifeguard.lazily import re
from lifeguard.ledger.records import Verb
from lifeguard.speedups import COMPILED

_SYNC = """\
def make(lg_f):
    def {name}({parameters}):
        __tracebackhide__ = True
        if not lg_open:
            return lg_f({passed})
        lg_call = lg_begin(lg_woven, {read}, "sync")
        try:
            lg_result = lg_f({passed})
        except lg_BaseException as lg_error:
            lg_raised(lg_call, lg_error)
            raise
        lg_returned(lg_call, lg_result)
        return lg_result
    return {name}
"""

_ASYNC = """\
def make(lg_f):
    async def {name}({parameters}):
        __tracebackhide__ = True
        if not lg_open:
            return await lg_f({passed})
        {fast}
        lg_call = lg_begin(lg_woven, {read}, "async"{value})
        try:
            if lg_call is not None and lg_call.saboteurs:
                await lg_entering(lg_call)
            lg_result = await lg_f({passed})
            if lg_call is not None and lg_call.saboteurs:
                await lg_leaving(lg_call, lg_result)
        except lg_GeneratorExit:
            lg_abandoned(lg_call)
            raise
        except lg_BaseException as lg_error:
            lg_raised(lg_call, lg_error)
            raise
        lg_returned(lg_call, lg_result)
        return lg_result
    return {name}
"""

_GENERATOR = """\
def make(lg_f):
    def {name}({parameters}):
        __tracebackhide__ = True
        if not lg_open:
            return (yield from lg_f({passed}))
        lg_call = lg_begin(lg_woven, {read}, "generator")
        try:
            lg_result = yield from lg_f({passed})
        except lg_GeneratorExit:
            lg_abandoned(lg_call)
            raise
        except lg_BaseException as lg_error:
            lg_raised(lg_call, lg_error)
            raise
        lg_returned(lg_call, None)
        return lg_result
    return {name}
"""

_ASYNC_GENERATOR = """\
def make(lg_f):
    async def {name}({parameters}):
        __tracebackhide__ = True
        lg_call = lg_begin(lg_woven, {read}, "generator") if lg_open else None
        lg_inner = lg_f({passed})
        try:
            lg_item = await lg_inner.__anext__()
            while True:
                try:
                    lg_sent = yield lg_item
                except lg_GeneratorExit:
                    await lg_inner.aclose()
                    raise
                except lg_BaseException as lg_thrown:
                    lg_item = await lg_inner.athrow(lg_thrown)
                else:
                    lg_item = await lg_inner.asend(lg_sent)
        except lg_StopAsyncIteration:
            pass
        except lg_GeneratorExit:
            lg_abandoned(lg_call)
            raise
        except lg_BaseException as lg_error:
            lg_raised(lg_call, lg_error)
            raise
        lg_returned(lg_call, None)
    return {name}
"""

_MANAGER = """\
def make(lg_f):
    def {name}({parameters}):
        __tracebackhide__ = True
        return lg_manager(lg_woven, {read}, lambda: lg_f({passed}))
    return {name}
"""

_BY_FORM = {
    "function": _SYNC,
    "coroutine": _ASYNC,
    "generator": _GENERATOR,
    "async generator": _ASYNC_GENERATOR,
    "with": _MANAGER,
    "async with": _MANAGER,
}

_ASYNC_FAST = """\
{early}
        lg_flow = None if lg_observed else lg_enter(lg_key, {receiver}, lg_woven)
        if lg_flow is not None:
            try:
                lg_result = await lg_f({passed})
            except lg_GeneratorExit:
                lg_flow.leave()
                raise
            except lg_BaseException as lg_error:
                lg_flow.leave()
                lg_raised(lg_late_awaited(lg_woven, {read}, lg_flow{value}), lg_error)
                raise
            {late}
            if lg_ended({woven}lg_flow, lg_key, {receiver}):
                return lg_result
            lg_returned(lg_late_awaited(lg_woven, {read}, lg_flow, lg_key), lg_result)
            return lg_result"""

_ACQUIRE = """\
def make(lg_f):
    def {name}({parameters}):
        __tracebackhide__ = True
        if not lg_open:
            return lg_f({passed})
        {early}
        else:
            lg_began = lg_clock.{last}
        try:
            lg_result = lg_f({passed})
        except lg_BaseException as lg_error:
            lg_raised(lg_call if lg_began is None else lg_late(lg_woven, {read}, lg_began{value}), lg_error)
            raise
        if lg_began is not None:
            {late}
            {end}
            lg_call = lg_late_acquire(lg_woven, {read}, lg_began, lg_key{about})
        lg_returned(lg_call, lg_result)
        return lg_result
    return {name}
"""

_RELEASE = """\
def make(lg_f):
    def {name}({parameters}):
        __tracebackhide__ = True
        if not lg_open:
            return lg_f({passed})
        {early}
        {named}
        lg_call = None
        if not lg_held:
            if lg_held is False:
                return lg_f({passed})
            lg_call = lg_begin(lg_woven, {read}, "sync", lg_key)
        try:
            lg_result = lg_f({passed})
        except lg_BaseException as lg_error:
            if lg_held is not None:
                lg_call = lg_late(lg_woven, {read}, None, lg_key, lg_held)
            lg_raised(lg_call, lg_error)
            raise
        if lg_held is not None:
            {end}
            lg_call = lg_late(lg_woven, {read}, None, lg_key, lg_held)
        lg_returned(lg_call, lg_result)
        return lg_result
    return {name}
"""

# What follows stands in the last two templates: with the compiled helper a call of it; without one the same inline. There no
# call stands between the last check and the last change, nor a jump backwards: `lifeguard.ledger.lanes` says why.

_ACQUIRED_COMPILED = """\
if lg_acquired{also}(lg_key, {receiver}{about}):
                return lg_result"""

_NAMED_COMPILED = "lg_held = lg_named(lg_key, {receiver})"

_DONE_COMPILED = """\
if lg_{done}(lg_key, lg_held):
                return lg_result"""

_ACQUIRED = """\
try:
                lg_flow = lg_flows()
                lg_lane = lg_flow.lanes[lg_way]
                if {left_out}{also_known}:
                    lg_lane.table.left_out += 1
                    return lg_result
                lg_frame = lg_getframe(1)
                lg_code = lg_frame.f_code
                if (lg_code is lg_woven.caller or lg_is_caller(lg_woven, lg_code)) and (
                    lg_type(lg_key) is lg_str or lg_type(lg_key) is lg_int
                ):
                    lg_runs = lg_who_runs(lg_flow) if lg_here.apart or lg_flow.apart else lg_mine.who
                    {identity}
                    lg_seq = lg_clock.seq
                    lg_next = lg_seq + 1
                    if lg_lane.near is None or (
                        lg_key not in lg_lane.near.held
                        and lg_key not in lg_lane.near.odd
                        and (lg_lane.further is None or not lg_lane.meets_around(lg_key))
                    ):
                        lg_plain = ({name}, lg_code, lg_frame.f_lasti, lg_next, lg_runs, lg_on)
                        if lg_clock.seq is lg_seq and lg_key not in lg_lane.held and lg_key not in lg_lane.odd:
                            lg_clock.seq = lg_next
                            lg_lane.acquired += 1
                            lg_lane.held[lg_key] = lg_plain
                            return lg_result
            except lg_Exception:
                pass
            lg_frame = lg_code = None"""

_NAMED = """\
try:
            lg_flow = lg_flows()
            lg_lane = lg_flow.lanes[lg_way]
            lg_held = lg_lane.held[lg_key] if lg_type(lg_key) is lg_str or lg_type(lg_key) is lg_int else None
            if lg_held is None and {left_out}:
                lg_held = False
        except lg_Exception:
            lg_held = None"""

_DONE = """\
try:{forgets}
                lg_frame = lg_getframe(1)
                lg_code = lg_frame.f_code
                if (lg_code is lg_woven.caller or lg_is_caller(lg_woven, lg_code)){known}:
                    lg_runs = lg_who_runs(lg_flow) if lg_here.apart or lg_flow.apart else lg_mine.who
                    lg_seq = lg_clock.seq
                    lg_next = lg_seq + 1
                    lg_table = lg_lane.table
                    {record}
                    if lg_clock.seq is lg_seq and lg_lane.held[lg_key] is lg_held:
                        lg_clock.seq = lg_next
                        {change}
                        return lg_result
            except lg_Exception:
                pass
            lg_frame = lg_code = None"""

_LEFT_OUT = (
    "lg_lane.limit is not None and "
    f"({lot_of('lg_key', crc='lg_crc')} if lg_type(lg_key) is lg_str else lg_lot(lg_key)) >= lg_lane.limit"
)

_RECORD_RELEASE = "lg_entry = (lg_key, lg_held, lg_name, lg_code, lg_frame.f_lasti, lg_next, lg_runs)"

_RELEASED = """\
lg_table.released += 1
                        del lg_lane.held[lg_key]
                        lg_table.log.append(lg_entry)"""

_RELEASED_WITHOUT_MEMORY = """
                if lg_lane.table.append is None{known}:
                    lg_seq = lg_clock.seq + 1
                    if lg_lane.held[lg_key] is lg_held:
                        lg_clock.seq = lg_seq
                        lg_lane.table.released += 1
                        del lg_lane.held[lg_key]
                        return lg_result"""

_RECORD_USE = "lg_plain = lg_used(lg_held, (lg_name, lg_code, lg_frame.f_lasti, lg_next, lg_runs))"

_USED = """\
lg_table.used += 1
                        lg_lane.held[lg_key] = lg_plain"""

_NO_KEY_YET = """\
{about}if lg_observed{no_subjects}:
            lg_began = None
            lg_call = lg_begin(lg_woven, {read}, "sync")"""

_KEY_NOW = """\
{key}
        {about}if lg_observed{no_subjects} or not (lg_type(lg_key) is lg_str or lg_type(lg_key) is lg_int):
            lg_began = None
            lg_call = lg_begin(lg_woven, {read}, "sync", lg_key)"""

_KEY = """\
try:
{indent}    lg_key = {code}
{indent}except lg_Exception as lg_error:
{indent}    lg_key = lg_unread(lg_woven, lg_error)"""

_SUBJECTS = """\
try:
            {reads}
            lg_about = (lg_label, {names}) if {plain} else None
        except lg_Exception:
            lg_about = None
        """


def _subjects(simple: Simple) -> str:
    """Reads what an acquire is about when it begins: None where that is not plain, and it takes the long way from there."""
    names = [f"lg_subject_{number}" for number, _ in enumerate(simple.about)]
    return _SUBJECTS.format(
        reads="; ".join(f"{name} = {code}" for name, code in zip(names, simple.about, strict=True)),
        names=", ".join(names),
        plain=" and ".join(
            f"(lg_type({name}) is lg_str or lg_type({name}) is lg_int or {name} is None)" for name in names
        ),
    )


def source(
    form: str, simple: Simple | None, *, receiver: str | None, name: str, parameters: str, passed: str, read: str
) -> str:
    """The source of a function `make(lg_f)` that makes a wrapper.

    Args:
        form: of the function: a key of the templates.
        simple: what the fast lane needs to know; None for what takes the long way always.
        receiver: the parameter that is the receiver, if one is.
        name: of the wrapper.
        parameters: as they are written in a definition.
        passed: as they are passed on.
        read: an expression for the arguments that the contracts read.
    """
    common = {"name": name, "parameters": parameters, "passed": passed, "read": read}
    if simple is None or form not in ("function", "coroutine") or (simple.about and form == "coroutine"):
        return _BY_FORM[form].format(**common, fast="", value="")
    code = re.sub(r"^result\b", "lg_result", simple.code)  # an expression has one name, at its front
    early = f"lg_key = {code}" if code.isidentifier() else _KEY.format(code=code, indent=" " * 8)
    late = _KEY.format(code=code, indent=" " * 12) if simple.late else ""
    value = "" if simple.late else ", lg_key"
    if form == "coroutine":
        fast = _ASYNC_FAST.format(
            passed=passed,
            read=read,
            receiver=receiver,
            early="lg_key = None" if simple.late else early,
            late=late,
            value=value,
            woven="lg_woven, " if COMPILED is None else "",
        )
        return _ASYNC.format(**common, fast=fast, value=value)
    if simple.verb is Verb.ACQUIRE:
        about = {
            "about": _subjects(simple) if simple.about else "",
            "no_subjects": " or lg_about is None" if simple.about else "",
        }
        given = ", lg_about" if simple.about else ""
        end = (_ACQUIRED if COMPILED is None else _ACQUIRED_COMPILED).format(
            receiver=receiver,
            about=given,
            also="_of" if simple.about else "",
            name="lg_about" if simple.about else "lg_name",
            identity=f"lg_on = lg_lane.receivers[lg_id({receiver})]" if receiver else "lg_on = None",
            left_out=_LEFT_OUT,
            also_known=f" and lg_id({receiver}) in lg_lane.receivers" if receiver else "",
        )
        early = (
            _NO_KEY_YET.format(read=read, **about) if simple.late else _KEY_NOW.format(key=early, read=read, **about)
        )
        last = "seq" if COMPILED is None else "last"
        return _ACQUIRE.format(**common, last=last, early=early, late=late, value=value, end=end, about=given)
    releases = simple.verb is Verb.RELEASE
    known = f" and (lg_type({receiver}) is lg_lane.cls or lg_type({receiver}) in lg_lane.classes)" if receiver else ""
    end = (_DONE if COMPILED is None else _DONE_COMPILED).format(
        done="released" if releases else "was_used",
        forgets=_RELEASED_WITHOUT_MEMORY.format(known=known) if releases else "",
        known=known,
        record=_RECORD_RELEASE if releases else _RECORD_USE,
        change=_RELEASED if releases else _USED,
    )
    named = (_NAMED if COMPILED is None else _NAMED_COMPILED).format(receiver=receiver, left_out=f"{_LEFT_OUT}{known}")
    return _RELEASE.format(**common, early=early, named=named, end=end)
