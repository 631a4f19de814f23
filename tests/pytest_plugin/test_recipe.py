"""The page about pytest is true: its example runs, prints what is shown, and no option is forgotten.

`python tests/pytest_plugin/test_recipe.py` writes the example and its output into the page anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from suites import ENTRY_POINT

import lifeguard
from lifeguard_pytest import ON, OPTIONS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "pytest.md"
EXAMPLE = "examples/with_pytest/test_nightly.py"


def shown(name: str) -> str:
    """What stands between the two markers of a name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end of {name} -->", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None, name
    return found[1]


def code() -> str:
    """The example, as the page shows it."""
    return f"```python\n{(ROOT / EXAMPLE).read_text(encoding='utf-8')}```\n"


def output() -> str:
    """What pytest prints of it, from the failures on, as the page shows it."""
    load = [] if ENTRY_POINT else ["-p", "lifeguard_pytest"]
    environment = {
        name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS", "LIFEGUARD")
    }
    path = os.pathsep.join([str(Path(lifeguard.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    others = [word for one in ("randomly", "asyncio", "anyio", "trio", "xdist") for word in ("-p", f"no:{one}")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *load, *others, "-p", "no:xdist.looponfail", "-p", "no:cacheprovider"],
        cwd=(ROOT / EXAMPLE).parent,
        env={**environment, "PYTHONPATH": path, "COLUMNS": "132", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stdout
    lines = text[text.index("test_nightly.py .") :].splitlines()[:-1]
    return "```text\n" + "\n".join(" ".join(line.split(" ")).rstrip() for line in lines) + "\n```\n"


def test_the_example_is_the_file() -> None:
    """Included, and not copied."""
    assert code() == shown(EXAMPLE)


def test_the_output_is_what_pytest_prints() -> None:
    """But for the line with the time."""
    assert output() == shown("its output")


def test_every_option_stands_on_the_page() -> None:
    """In all its forms."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `lifeguard")]
    assert [option.ini for option in (ON, *OPTIONS)] == [row.split("`")[1] for row in rows]
    for option, row in zip((ON, *OPTIONS), rows, strict=True):
        assert option.command in row
        marker = row.split(" | ")[2]
        assert marker == "–" if option.of_run else f"{option.name}=" in marker


def write_anew() -> None:
    """Write the example and its output into the page."""
    text = PAGE.read_text(encoding="utf-8")
    for name, new in ((EXAMPLE, code()), ("its output", output())):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        text = text[: text.index(begin) + len(begin)] + new + text[text.index(end) :]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_anew()
