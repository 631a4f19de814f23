"""Modules of the standard library that are imported when they are used first: `import lifeguard` does not need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast
    import binascii
    import inspect
    import linecache
    import re
else:

    class _Lazily:
        """Stands for a module, and takes over from it what is asked for."""

        def __init__(self, name: str) -> None:
            self.__name__ = name

        def __getattr__(self, attribute: str) -> object:
            from importlib import import_module

            value = getattr(import_module(self.__name__), attribute)
            setattr(self, attribute, value)
            return value

    ast, binascii, inspect, linecache, re = map(_Lazily, ("ast", "binascii", "inspect", "linecache", "re"))

__all__ = ["ast", "binascii", "inspect", "linecache", "re"]
