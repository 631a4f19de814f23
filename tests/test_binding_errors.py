"""Bound contracts that are written wrongly: said when the stand-in is made, with what would be right."""

from __future__ import annotations

from typing import Any

import pytest

from lifeguard import DeclarationError, Resource, acquires, contracts_for, releases

image = Resource("image")


class Cloud:
    """Somebody else's code."""

    def create(self, name: str) -> str:
        """Make an image."""
        return name

    def delete(self, image_id: str) -> None:
        """Delete it."""


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("no_such_module:Cloud", "module 'no_such_module' cannot be imported"),
        ("json:NoSuchClass", "json has no 'NoSuchClass'"),
        ("json:loads", "which is neither a class nor a module"),
        ("", "takes 'module:Class', a class or a module, not ''"),
        (7, "takes 'module:Class', a class or a module, not 7"),
    ],
)
def test_the_target_is_missing(target: Any, text: str) -> None:
    """Said when the stand-in is written, not when it is applied."""
    with pytest.raises(DeclarationError, match=text):
        contracts_for(target)


def test_no_such_method() -> None:
    """The near name is offered."""
    with pytest.raises(DeclarationError, match=r"Contracts\.creat: Cloud has no 'creat'; did you mean 'create'\?"):

        @contracts_for(Cloud)
        class Contracts:
            @acquires(image, key="result")
            def creat(self) -> None: ...


def test_no_method_at_all() -> None:
    """A contract on what cannot be called is a mistake."""

    class Target:
        create = 7

    with pytest.raises(DeclarationError, match=r"Contracts\.create: 7 is not a method"):

        @contracts_for(Target)
        class Contracts:
            @acquires(image, key="result")
            def create(self) -> None: ...


def test_no_contract() -> None:
    """A stand-in that says nothing was meant to say something."""
    with pytest.raises(DeclarationError, match="Contracts carries no contract: decorate its methods"):

        @contracts_for(Cloud)
        class Contracts:
            def create(self) -> None: ...


def test_a_parameter_that_the_real_function_lacks() -> None:
    """What it takes is named."""
    with pytest.raises(
        DeclarationError, match=r"mention uuid, which Cloud\.delete does not take; it takes self, image_id"
    ):

        @contracts_for(Cloud)
        class Contracts:
            @releases(image, key="uuid")
            def delete(self, uuid: str) -> None: ...


def test_a_name_that_the_binding_needs_itself() -> None:
    """`applied`, `start`, `stop` and `rebind` are added to the stand-in."""

    class Target:
        def start(self, key: str) -> None: ...

    with pytest.raises(DeclarationError, match=r"Contracts\.start: contracts_for itself uses this name"):

        @contracts_for(Target)
        class Contracts:
            @acquires(image, key="key")
            def start(self, key: str) -> None: ...


def test_decorates_a_class() -> None:
    """And nothing else."""
    with pytest.raises(DeclarationError, match="decorates a stand-in class, not "):
        contracts_for(Cloud)(lambda: None)  # type: ignore[arg-type]
