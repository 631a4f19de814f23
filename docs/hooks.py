"""What is made while the site is built: a real report in every format, so that the pages show what this version writes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the reports of the example: the timeline, and the same in every other format."""
    sys.path.insert(0, str(EXAMPLES))
    import timeline

    from lifeguard.reporting.formats import FORMATS

    with tempfile.TemporaryDirectory() as folder:
        report = timeline.made(Path(folder))
    for one in FORMATS.values():
        name = "timeline" if one.name == "html" else "four-moves"
        suffix = ".md.txt" if one.name == "markdown" else one.suffix  # as a page of its own it would not be a file
        text = one.render(report).replace(f"{ROOT}/", "/srv/app/")
        files.append(File.generated(config, f"examples/{name}{suffix}", content=text))
    return files
