"""What survives of a function that carries a contract: all that introspection, pickle, mocks and other decorators see."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import typing
from unittest import mock

import pytest
from findings import held, said, watching
from watched_forms import Service, host, image, make, make_async, opened, producing, producing_async, session, spawn

from lifeguard import acquires, on_failure, releases, uses

# -- what survives --------------------------------------------------------------------------------------------------------


def plain(a: int, /, b: str = "b", *args: int, c: list[int] | None = None, **kwargs: float) -> tuple[int, ...]:
    """What it does."""
    return (a, *args)


def test_signature_doc_annotations_defaults_and_names_survive() -> None:
    """All that introspection shows is the function's own."""
    decorated = acquires(image, key="a")(plain)
    assert inspect.signature(plain) == inspect.signature(decorated)
    assert inspect.signature(plain) == inspect.signature(decorated, follow_wrapped=False)
    assert inspect.getfullargspec(plain) == inspect.getfullargspec(decorated)
    assert typing.get_type_hints(plain) == typing.get_type_hints(decorated)
    assert plain.__annotations__ == decorated.__annotations__
    assert plain.__defaults__ == decorated.__defaults__
    assert plain.__kwdefaults__ == decorated.__kwdefaults__
    assert ("plain", "plain", __name__, "What it does.") == (
        decorated.__name__,
        decorated.__qualname__,
        decorated.__module__,
        decorated.__doc__,
    )
    assert plain is decorated.__wrapped__  # type: ignore[attr-defined]
    assert plain is inspect.unwrap(decorated)
    assert inspect.getsource(plain) == inspect.getsource(decorated)
    assert inspect.getsourcelines(plain) == inspect.getsourcelines(decorated)
    assert inspect.isfunction(decorated)


def test_the_function_is_the_only_closure_cell() -> None:
    """Tools that look for the function in the closure find it, and nothing else."""
    decorated = acquires(image, key="a")(plain)
    (cell,) = decorated.__closure__ or ()
    assert plain is cell.cell_contents


def test_stacked_contracts_make_one_wrapper() -> None:
    """However many contracts: one call deep, and `__wrapped__` is the function."""
    decorated = acquires(image, key="a")(uses(session, key="b")(releases(host, key="c")(plain)))
    assert plain is decorated.__wrapped__  # type: ignore[attr-defined]
    assert not hasattr(plain, "__wrapped__")


def test_attributes_survive_and_are_not_shared() -> None:
    """What others put on the function stays; what is put on the wrapper goes to the wrapper."""

    def function(a: int) -> int:
        return a

    function.route = "/images"  # type: ignore[attr-defined]
    decorated = acquires(image, key="a")(function)
    decorated.later = 1  # type: ignore[attr-defined]
    again = uses(session, key="a")(decorated)
    assert ("/images", "/images", 1) == (decorated.route, again.route, again.later)  # type: ignore[attr-defined]
    assert not hasattr(function, "later")


def test_coroutine_and_generator_functions_stay_what_they_are() -> None:
    """`inspect` and `asyncio` see the same sort of function, with contracts or without."""
    assert [True, False, False] == [inspect.iscoroutinefunction(one) for one in (make_async, producing, make)]
    assert [True, False, False] == [inspect.isgeneratorfunction(one) for one in (producing, make_async, make)]
    assert [True, False] == [inspect.isasyncgenfunction(one) for one in (producing_async, producing)]
    assert not inspect.isgeneratorfunction(opened)


def test_a_decorated_function_and_method_pickle() -> None:
    """By name, as functions do."""
    assert make is pickle.loads(pickle.dumps(make))
    assert "a" == pickle.loads(pickle.dumps(Service().method))("a")
    assert make is copy.deepcopy(make)


def test_partial_and_partialmethod_of_a_decorated_function() -> None:
    """The wrapper is called with the bound arguments, and its key reads them."""

    class Sized(Service):
        small = functools.partialmethod(Service.method, "small")

    with watching() as watched:
        assert "A" == functools.partial(make, "a")()
        assert "small" == Sized().small()
        assert ["image 'a' (held)", "image ('h1', 'small') (held)"] == held(watched)


def test_lru_cache_above() -> None:
    """A cached call is no call."""
    cached = functools.lru_cache(make)
    with watching() as watched:
        assert ["A", "A"] == [cached("a"), cached("a")]
        assert ["image 'a' (held)"] == held(watched)
    assert ["LG101 image 'a'"] == said(watched)


def test_cached_property_above() -> None:
    """`functools.cached_property` around a decorated getter acquires once."""

    class Lazy:
        @functools.cached_property
        @acquires(image, key="result")
        def image_id(self) -> str:
            return "i1"

    with watching() as watched:
        lazy = Lazy()
        assert ["i1", "i1"] == [lazy.image_id, lazy.image_id]
        assert 1 == watched.watched["image"].acquired


def test_singledispatch_above() -> None:
    """Decorated implementations are dispatched to."""

    @functools.singledispatch
    def create(what: object) -> str:
        raise NotImplementedError

    @create.register
    @acquires(image, key="what")
    def _create_text(what: str) -> str:
        return what

    with watching() as watched:
        assert "a" == create("a")
        assert ["image 'a' (held)"] == held(watched)


def test_abstract_methods_stay_abstract() -> None:
    """`__isabstractmethod__` survives, in both orders."""
    import abc

    class Base(abc.ABC):
        @acquires(image, key="name")
        @abc.abstractmethod
        def above(self, name: str) -> None: ...

        @abc.abstractmethod
        @acquires(image, key="name")
        def below(self, name: str) -> None: ...

    assert {"above", "below"} == Base.__abstractmethods__


def test_create_autospec_of_decorated_things() -> None:
    """`mock.create_autospec` copies the signature of functions and classes."""
    spec = mock.create_autospec(make)
    spec("a", fail=True)
    spec.assert_called_once_with("a", fail=True)
    with pytest.raises(TypeError):
        spec()
    service = mock.create_autospec(Service, instance=True)
    service.method("a")
    with pytest.raises(TypeError):
        service.method()
    spec = mock.create_autospec(make_async, return_value="A")
    assert "A" == asyncio.run(spec("a"))
    spec.assert_awaited_once_with("a")


def test_mock_patch_object_and_back() -> None:
    """Patching a decorated method and undoing it leaves the very wrapper."""
    before = Service.method
    with mock.patch.object(Service, "method", autospec=True) as patched:
        Service().method("a")
        assert 1 == patched.call_count
    assert before is Service.method


def test_overloads_and_equal_parameter_names() -> None:
    """Parameters that are called like our own names, or like builtins, do no harm."""

    @acquires(image, key="lg_call")
    def strange(lg_call: str, lg_f: int = 1) -> tuple[str, int]:
        return lg_call, lg_f

    @acquires(image, key="BaseException")
    def stranger(BaseException: str, result: str = "r") -> str:
        if BaseException == "fail":
            raise OSError("stranger")
        return BaseException + result

    @acquires(image, key="strangest")
    def strangest(strangest: str) -> str:
        return strangest

    with watching() as watched:
        assert ("a", 1) == strange("a")
        assert "br" == stranger("b")
        assert "c" == strangest("c")
        with pytest.raises(OSError, match="stranger"):
            stranger("fail")
        assert ["image 'a' (held)", "image 'b' (held)", "image 'c' (held)"] == held(watched)


def test_a_function_with_a_strange_name() -> None:
    """A function whose name is no identifier, or a keyword, can be woven."""

    def function(a: str) -> str:
        return a

    for name in ("two words", "class", "lg_f", "make", "<lambda>"):
        function.__name__ = name
        decorated = acquires(image, key="a")(function)
        with watching() as watched:
            assert (name, "x") == (decorated.__name__, decorated("x"))
            assert ["image 'x' (held)"] == held(watched)


def test_name_mangled_parameters() -> None:
    """A private parameter of a method is called as Python mangles it."""

    class Thing:
        @acquires(image, key="_Thing__name")
        def make(self, __name: str) -> str:
            return __name

    with watching() as watched:
        assert "a" == Thing().make("a")
        assert ["image 'a' (held)"] == held(watched)


def test_recursion_error_and_system_exit_pass_through() -> None:
    """Every BaseException is a raised end, and is untouched."""

    @on_failure(spawn, key="name", exc=BaseException)
    def function(name: str, error: BaseException) -> None:
        raise error

    with watching() as watched:
        for name, error in (("a", SystemExit(3)), ("b", KeyboardInterrupt()), ("c", GeneratorExit())):
            with pytest.raises(type(error)) as caught:
                function(name, error)
            assert error is caught.value
            assert error.__cause__ is None
            assert error.__context__ is None
    assert ["LG201 spawn 'a'", "LG201 spawn 'b'", "LG201 spawn 'c'"] == said(watched)


def test_the_traceback_hides_our_frames_from_pytest() -> None:
    """Frames of ours are marked, so that pytest's report shows the user's."""
    with watching():
        with pytest.raises(OSError, match="a") as caught:
            make("a", fail=True)
    names = [entry.name for entry in caught.traceback.filter(caught)]
    assert ["test_the_traceback_hides_our_frames_from_pytest", "make"] == names


def test_results_and_arguments_are_the_same_objects() -> None:
    """Nothing is copied on the way."""

    @acquires(image, key="name")
    def passing(name: str, thing: object) -> object:
        return thing

    thing = object()
    with watching():
        assert thing is passing("a", thing)
