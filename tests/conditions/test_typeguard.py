"""typeguard and lifeguard: fakes, keys, Live resources, instrumented modules, broken checks (LG301)."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import AsyncMock, MagicMock, Mock
from uuid import UUID, uuid4

import pytest
import typeguard
from findings import held, said, watching

from lifeguard import DeclarationError, Resource, ViolationError, acquires, implements, releases, scope
from lifeguard.integrations.typeguard import Live, check_fake, lookup
from lifeguard.scopes import Scope

ROOT = Path(__file__).parents[2]

image = Resource("image")


def conditioned(**settings: Any) -> Scope:
    """A scope that records what it finds, checks of typeguard included."""
    return scope("conditions", on_violation="record", conditions="typeguard", **settings)


# -- instrumented modules -------------------------------------------------------------------------------------------------


PROGRAM = '''
"""Every form of function, with contracts, as typeguard's import hook instruments it."""

import contextlib
from typing import Annotated, AsyncIterator, Iterator

from lifeguard import Resource, acquires, releases, uses
from lifeguard.integrations.typeguard import Live

image = Resource("image")


@uses(image, key="name")
def plain(name: str) -> str:
    return name


@uses(image, key="name")
async def coroutine(name: str) -> str:
    return name


@uses(image, key="name")
def generator(name: str) -> Iterator[str]:
    yield name


@uses(image, key="name")
async def async_generator(name: str) -> AsyncIterator[str]:
    yield name


@acquires(image, key="name")
@contextlib.contextmanager
def manager(name: str) -> Iterator[str]:
    yield name


class Service:
    @uses(image, key="name")
    def method(self, name: str) -> str:
        return name

    @classmethod
    @uses(image, key="name")
    def of_class(cls, name: str) -> str:
        return name

    @staticmethod
    @uses(image, key="name")
    def static(name: str) -> str:
        return name

    @property
    @uses(image, key="self.name")
    def checked(self) -> str:
        return self.name

    name = "a"


@acquires(image, key="result")
def create(name: str) -> str:
    return name if name != "bad" else 7


@releases(image, key="name")
def delete(name: Annotated[str, Live(image)]) -> None:
    pass


def rename(name: Annotated[str | None, "any", Live(image)] = None) -> None:
    pass
'''


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module, imported under typeguard's import hook."""
    (tmp_path / "instrumented_program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(typeguard, "checker_lookup_functions", typeguard.checker_lookup_functions)
    given = lookup in typeguard.checker_lookup_functions
    if not given:
        typeguard.checker_lookup_functions.insert(0, lookup)
    with typeguard.install_import_hook("instrumented_program"):
        yield importlib.import_module("instrumented_program")
    del sys.modules["instrumented_program"]
    if not given:
        typeguard.checker_lookup_functions.remove(lookup)


def call(program: Any, form: str, value: object) -> object:
    """Call one of its functions, and use what it gives."""

    async def first(items: AsyncIterator[object]) -> object:
        (item,) = [item async for item in items]
        return item

    if form == "coroutine":
        return asyncio.run(program.coroutine(value))
    if form == "generator":
        (item,) = program.generator(value)
        return item
    if form == "async_generator":
        return asyncio.run(first(program.async_generator(value)))
    if form == "manager":
        with program.manager(value) as name:
            return name
    if form == "checked":
        service = program.Service()
        service.name = value
        return service.checked
    if form in ("method", "of_class", "static"):
        return getattr(program.Service(), form)(value)
    return program.plain(value)


FORMS = [
    "plain",
    "coroutine",
    "generator",
    "async_generator",
    "manager",
    "method",
    "of_class",
    "static",
    "checked",
]


@pytest.mark.parametrize("form", FORMS)
def test_every_function_form_is_watched_and_checked(program: Any, form: str) -> None:
    """The hook instruments the bodies and leaves the decorators; what breaks is told once, about the resource."""
    with conditioned() as watched:
        assert "a" == call(program, form, "a")
        with pytest.raises(typeguard.TypeCheckError, match="is not an instance of str"):
            call(program, form, 7)
    (violation,) = watched.violations
    assert ("LG301", "image") == (violation.code, violation.kind)
    assert "typeguard's check broke: " in violation.message
    assert "(int) is not an instance of str" in violation.message
    assert 7 == violation.key or form == "checked"
    assert watched.watched["image"].unmatched or form == "manager"


def test_a_broken_check_says_where_it_was_called(program: Any) -> None:
    """An argument at its caller, a result in the function itself."""
    with conditioned() as watched:
        for value in (7, "bad"):
            with pytest.raises(typeguard.TypeCheckError):
                program.create(value)
    argument, result = watched.violations
    assert 'image: create: typeguard\'s check broke: argument "name" (int) is not an instance of str' in (
        argument.message,
        f"image: {argument.message}",
    )
    assert argument.place is not None
    assert argument.place.file.endswith("test_typeguard.py")
    assert "the return value (int) is not an instance of str" in result.message
    assert result.place is not None
    assert result.place.file.endswith("instrumented_program.py")


def test_live_resources(program: Any) -> None:
    """A second delete of the same id is refused by its annotation, and told with the history of the id."""
    with conditioned() as watched:
        program.create("a")
        program.delete("a")
        with pytest.raises(typeguard.TypeCheckError, match=r"argument \"name\" .str. is not a live image: 'a'"):
            program.delete("a")
        with pytest.raises(typeguard.TypeCheckError, match="is not an instance of str"):
            program.delete(7)
    first, second = watched.violations
    assert ("image", "a") == (first.kind, first.key)
    assert ["acquired", "released"] == [entry.verb for entry in first.history[:2]]
    assert 7 == second.key


def test_live_with_other_annotations(program: Any) -> None:
    """What stands beside `Live` is left to those whom it concerns; unions are checked as usual."""
    with conditioned() as watched:
        program.create("a")
        program.rename("a")
        with pytest.raises(typeguard.TypeCheckError, match="did not match any element in the union"):
            program.rename(7)
        program.delete("a")
        with pytest.raises(typeguard.TypeCheckError, match="is not a live image"):
            program.rename("a")
    assert 2 == len(watched.violations)


def test_live_where_nobody_watches(program: Any) -> None:
    """Every id passes, as with `held`."""
    program.delete("never seen")
    with scope(ignore=[program.image]):
        program.delete("never seen")


def test_live_takes_a_kind() -> None:
    """A name in its place is an error that says so."""
    with pytest.raises(DeclarationError, match=r"Live\(…\) takes a kind, not 'image'"):
        Live("image")  # type: ignore[arg-type]


def test_the_entry_point(tmp_path: Path) -> None:
    """Installed, typeguard finds it by itself, and lifeguard is not imported for it: pyproject.toml, read by typeguard."""
    import tomllib

    group = "typeguard.checker_lookup"
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][group]
    info = tmp_path / "lifeguard_contracts-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lifeguard-contracts\nVersion: 0\n")
    (info / "entry_points.txt").write_text(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in declared.items())
    )
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        "import typeguard\n"
        "print('lifeguard' in sys.modules)\n"
        "from typing import Annotated\n"
        "from lifeguard import Resource, scope\n"
        "from lifeguard.integrations.typeguard import Live\n"
        "image = Resource('image')\n"
        "with scope() as watched:\n"
        "    watched.seed(image, 'a', why='there')\n"
        "    typeguard.check_type('a', Annotated[str, Live(image)])\n"
        "    try:\n"
        "        typeguard.check_type('b', Annotated[str, Live(image)])\n"
        "    except typeguard.TypeCheckError as error:\n"
        "        print(error)\n"
        "print([one.__module__ for one in typeguard.checker_lookup_functions if 'lifeguard' in one.__module__])\n"
    )
    ran = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert ("False\nstr is not a live image: 'b'\n['lifeguard_typeguard']\n", "") == (ran.stdout, ran.stderr)


# -- keys -----------------------------------------------------------------------------------------------------------------


class Size(Enum):
    """Keys may be members."""

    SMALL = 1


@dataclass(frozen=True)
class Name:
    """Keys may be data classes."""

    text: str


class Thing:
    """Keys may be objects."""


def test_keys_of_another_type_are_told_once() -> None:
    """With the place of the call and the history of the key; the program goes on."""
    server = Resource("server", key_type=UUID)

    @acquires(server, key="name")
    def boot(name: object) -> None: ...

    @releases(server, key="name")
    def destroy(name: object) -> None: ...

    with scope("keys", on_violation="record", check_types=True) as watched:
        for key in (uuid4(), "not-a-uuid"):
            boot(key)
            destroy(key)
    (violation,) = watched.violations
    assert ("LG301", "server", "not-a-uuid") == (violation.code, violation.kind, violation.key)
    assert violation.message.endswith("boot: key_type of server broke: 'not-a-uuid' is not an instance of uuid.UUID")
    assert ["acquired", "released"] == [entry.verb for entry in violation.history]
    with scope("not asked") as unasked:
        boot("not-a-uuid")
        destroy("not-a-uuid")
    assert [] == said(unasked)


@pytest.mark.parametrize(
    ("key_type", "fits", "does_not"),
    [
        (str, "a", 1),
        (tuple[str, int], ("a", 1), ("a", "b")),
        (int | None, None, "a"),
        (Size, Size.SMALL, "SMALL"),
        (Name, Name("a"), "a"),
        (Thing, Thing(), object()),
        (UUID, UUID(int=1), str(UUID(int=1))),
        (bytes, b"a", "a"),
        (bool, True, "True"),
    ],
)
def test_every_sort_of_key(key_type: Any, fits: object, does_not: object) -> None:
    """The value is checked as the contract read it: members, data classes and objects included."""
    kind = Resource("thing", key_type=key_type)
    with scope("keys", on_violation="record", check_types=True) as watched:
        for key in (fits, does_not):
            watched.acquired(kind, key)
            watched.released(kind, key)
    assert ["LG301"] == [one.code for one in watched.violations]


def test_fail_fast_raises_at_the_call() -> None:
    """As with all findings."""
    kind = Resource("thing", key_type=int)
    with scope("keys", fail_fast=True, check_types=True) as watched:
        with pytest.raises(ViolationError, match="key_type of thing broke: 'a' is not an instance of int"):
            watched.acquired(kind, "a")
        watched.released(kind, "a")
        watched.allow(None, why="seen above", rule="LG301")


def test_nested_scopes_say_it_once() -> None:
    """In the innermost one."""
    kind = Resource("thing", key_type=int)
    with scope("outer", on_violation="record", check_types=True) as outer:
        with scope("inner", on_violation="record", check_types=True) as inner:
            inner.acquired(kind, "a")
            inner.released(kind, "a")
    assert (0, 1) == (len(outer.violations), len(inner.violations))


def test_a_type_as_text_is_refused() -> None:
    """It would never be resolved where it is written."""
    with pytest.raises(DeclarationError, match=r"Resource\('thing', key_type=…\) takes a type, not a text"):
        Resource("thing", key_type="UUID")


# -- fakes ----------------------------------------------------------------------------------------------------------------


class Images(Protocol):
    """What a fake stands for."""

    @acquires(image, key="name")
    def create(self, name: str) -> str:
        """Acquire."""
        ...

    async def fetch(self, name: str) -> bytes:
        """No contract."""
        ...


class Good:
    """It is all there."""

    def create(self, name: str) -> str:
        """Acquire."""
        return name

    async def fetch(self, name: str) -> bytes:
        """No contract."""
        return b""


class WithoutFetch:
    """A method is missing that carries no contract."""

    def create(self, name: str) -> str:
        """Acquire."""
        return name


class OtherArguments(Good):
    """It takes too few arguments."""

    async def fetch(self) -> bytes:  # type: ignore[override]
        """No contract."""
        return b""


class Sync(Good):
    """A plain function for a coroutine function."""

    def fetch(self, name: str) -> bytes:  # type: ignore[override]
        """No contract."""
        return b""


def test_a_good_fake_passes() -> None:
    """As a class and as an object, by hand and with `implements`."""
    check_fake(Good, Images)
    check_fake(Good(), Images)

    @implements(Images, check_types=True)
    class Fake(Good):
        pass

    with watching() as watched:
        Fake().create("a")
        assert ["image 'a' (held)"] == held(watched)


@pytest.mark.parametrize(
    ("fake", "text"),
    [
        (WithoutFetch, "because it has no method named 'fetch'"),
        (OtherArguments, "'fetch'"),
        (Sync, "its 'fetch' is a plain function, not a coroutine function"),
    ],
)
def test_what_differs_is_found(fake: type, text: str) -> None:
    """What typeguard sees, and what it does not; methods without a contract are of no concern to a bare `implements`."""
    with pytest.raises(DeclarationError, match=text):
        check_fake(fake, Images)
    with pytest.raises(DeclarationError, match=text):
        implements(Images, check_types=True)(type("Fake", (fake,), {}))
    implements(Images)(type("Fake", (fake,), {}))


def test_a_service_that_is_no_protocol() -> None:
    """typeguard knows only whether it is one; lifeguard compares its methods."""

    class Service:
        def create(self, name: str) -> str: ...  # type: ignore[empty-body]
        async def fetch(self, name: str) -> bytes: ...  # type: ignore[empty-body]

    class Derived(Service):
        pass

    check_fake(Good, Service)
    check_fake(Derived, Service)
    with pytest.raises(DeclarationError, match=r"Sync implements .*Service, but its 'fetch' is a plain function"):
        check_fake(Sync, Service)
    with pytest.raises(DeclarationError, match=r"WithoutFetch implements .*Service, but has no 'fetch'"):
        check_fake(WithoutFetch, Service)


def test_mocks_are_refused_or_compared_by_their_spec() -> None:
    """A mock passes every check of typeguard, so that a check of it says nothing."""
    for mock in (Mock(), MagicMock(), AsyncMock()):
        typeguard.check_type(mock, Images)
        with pytest.raises(
            DeclarationError, match=r"answers every call, and passes every check of types: give it\s+spec=I"
        ):
            check_fake(mock, Images)
    check_fake(Mock(spec=Good), Images)
    with pytest.raises(DeclarationError, match="has no method named 'fetch'"):
        check_fake(Mock(spec=WithoutFetch), Images)


def test_check_fake_takes_a_class() -> None:
    """And says so."""
    with pytest.raises(DeclarationError, match="takes a class as service, not 7"):
        check_fake(Good, 7)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match=r"implements\(check_types=…\) takes True or False, not 1"):
        implements(Images, check_types=1)  # type: ignore[arg-type]


# -- the hook -------------------------------------------------------------------------------------------------------------


def test_the_setting_that_was_there_is_called_and_put_back(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """typeguard's own setting `typecheck_fail_callback`: with one that only warns, the program goes on, and it is told."""
    monkeypatch.setattr(typeguard.config, "typecheck_fail_callback", typeguard.warn_on_error)
    with conditioned() as watched:
        with pytest.warns(typeguard.TypeCheckWarning, match="is not an instance of str"):
            program.plain(7)
    assert ["LG301 image 7", "LG301 image 7"] == said(watched), "the argument, and then the result"
    assert typeguard.warn_on_error is typeguard.config.typecheck_fail_callback


def test_fail_fast_raises_ours_from_theirs(program: Any) -> None:
    """At the place where the check broke."""
    with scope("fast", fail_fast=True, conditions="typeguard") as watched:
        with pytest.raises(ViolationError, match="LG301 condition broke"):
            program.plain(7)
        watched.allow(None, why="seen above", rule="LG301")


# -- what typeguard itself does, as we rely on it or warn of it --------------------------------------------------------------


def test_fact_check_type_is_asking() -> None:
    """A call of `check_type` does not look at the setting: who asks gets the answer, and nothing is told."""
    with conditioned() as watched:
        with pytest.raises(typeguard.TypeCheckError):
            typeguard.check_type(7, str)
    assert [] == said(watched)


def test_fact_typechecked_on_the_class_skips_watched_methods() -> None:
    """Without a word; the import hook, or `typechecked` directly on the function, checks them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        @typeguard.typechecked
        class Service:
            @acquires(image, key="name")
            def watched(self, name: str) -> None: ...

            @acquires(image, key="name")
            @typeguard.typechecked
            def below(self, name: str) -> None: ...

            def bare(self, name: str) -> None: ...

    with conditioned() as watched:
        Service().watched(7)  # type: ignore[arg-type]
        watched.released(image, 7)
        for method in (Service().below, Service().bare):
            with pytest.raises(typeguard.TypeCheckError):
                method(7)  # type: ignore[arg-type]
    assert ["LG301 image 7", "LG301  "] == said(watched)


def test_fact_protocols_are_compared_by_arity_and_not_by_sort() -> None:
    """Hence `check_fake`."""
    typeguard.check_type(Sync(), Images)
    with pytest.raises(typeguard.TypeCheckError):
        typeguard.check_type(OtherArguments(), Images)
