"""What is made while the site is built: a real report, so that the pages show what this version writes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

EXAMPLES = Path(__file__).parent.parent / "examples"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the timeline of the example."""
    sys.path.insert(0, str(EXAMPLES))
    import timeline

    with tempfile.TemporaryDirectory() as folder:
        page = timeline.made(Path(folder))
    files.append(File.generated(config, "examples/timeline.html", content=page))
    return files
