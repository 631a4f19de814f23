"""Builds the compiled helper with the wheel where a compiler is found; without one the package is pure and means the same.

`python hatch_build.py` builds it beside its source, for those who work on lifeguard.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
SOURCE = "lifeguard/_speedups.c"


def compiled(folder: str) -> Path | None:
    """Compile the helper into a folder; None, with a word on why, where that is not possible."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return None
    if os.environ.get("LIFEGUARD_SPEEDUPS", "").strip().lower() in ("off", "0"):
        return None
    try:
        from setuptools import Distribution, Extension
        from setuptools.command.build_ext import build_ext

        flags = [] if sys.platform == "win32" else ["-O3"]
        extension = Extension("lifeguard._speedups", [str(ROOT / SOURCE)], extra_compile_args=flags)
        command = build_ext(Distribution({"name": "lifeguard-contracts", "ext_modules": [extension]}))
        command.build_lib = command.build_temp = folder
        command.ensure_finalized()
        command.run()
    except (Exception, SystemExit) as error:  # whatever a missing or broken compiler raises: the package works without
        print(f"lifeguard: built without the compiled helper ({type(error).__name__}: {error})", file=sys.stderr)
        return None
    return next(Path(folder, "lifeguard").glob("_speedups*"), None)


class CompiledHelper(BuildHookInterface[Any]):
    """Puts the compiled helper into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell the builder of what came of it."""
        if self.target_name != "wheel" or version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        library = compiled(self._folder.name)
        if library is not None:
            build_data["force_include"][str(library)] = f"lifeguard/{library.name}"
            build_data["pure_python"] = False
            build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Clean up."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            folder.cleanup()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        made = compiled(place)
        if made is None:
            sys.exit("the compiled helper could not be built")
        target = ROOT / "lifeguard" / made.name
        target.write_bytes(made.read_bytes())
        print(target)
