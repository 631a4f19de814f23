"""The recipes show whole examples, which are files that run, and what they really print.

`python tests/conditions/test_recipes.py` writes both into the pages anew; read the difference before you keep it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lifeguard

ROOT = Path(__file__).parents[2]
RECIPES = {
    "icontract": "icontract_conditions",
    "deal": "deal_failures",
    "typeguard": "typeguard_live",
    "opentelemetry": "opentelemetry_scopes",
}


def block(name: str) -> re.Pattern[str]:
    """The fenced text between the two markers of a name."""
    return re.compile(rf"(<!-- {name} -->\n+```\w*\n)(.*?)(```\n+<!-- end of {name} -->)", re.DOTALL)


def output(example: str) -> str:
    """What an example prints."""
    environment = {**os.environ, "PYTHONPATH": str(Path(lifeguard.__file__).parents[1])}
    command = [sys.executable, "-W", "error", f"examples/{example}.py"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert "" == ran.stderr
    return ran.stdout


@pytest.mark.parametrize("page", RECIPES)
def test_the_example_and_its_output_are_shown_whole(page: str) -> None:
    """To the line numbers."""
    text, example = (ROOT / "docs" / f"{page}.md").read_text(), RECIPES[page]
    code, printed = block(f"examples/{example}.py").search(text), block("its output").search(text)
    assert code is not None
    assert printed is not None
    assert (ROOT / "examples" / f"{example}.py").read_text() == code[2]
    assert output(example) == printed[2]


def write_anew() -> None:
    """Write the examples and their outputs into the pages."""
    for page, example in RECIPES.items():
        file = ROOT / "docs" / f"{page}.md"
        text = file.read_text()
        for name, new in (
            (f"examples/{example}.py", (ROOT / "examples" / f"{example}.py").read_text()),
            ("its output", output(example)),
        ):
            text = block(name).sub(lambda found, new=new: found[1] + new + found[3], text)  # type: ignore[misc]
        file.write_text(text)


if __name__ == "__main__":
    write_anew()
