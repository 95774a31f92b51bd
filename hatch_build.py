"""What a wheel gets beside the package: the lessons without their outputs, and the speeches as one archive.

The outputs are pictures for pages, larger than all else; they are made anew when a reader runs a lesson.
"""

from __future__ import annotations

import json
import tarfile
from io import BytesIO
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Lessons(BuildHookInterface):
    """Put the notebooks into a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files that are added; an editable installation finds the notebooks in the checkout."""
        if version == "editable":
            return
        folder, made = Path(self.root) / "notebooks", Path(mkdtemp())
        for path in sorted(folder.glob("*.ipynb")):
            (made / path.name).write_text(_without_outputs(path), encoding="utf-8")
            build_data["force_include"][str(made / path.name)] = f"kaygraph_viz/_notebooks/{path.name}"
        build_data["force_include"][str(folder / "README.md")] = "kaygraph_viz/_notebooks/README.md"
        with tarfile.open(made / "speeches.tar.bz2", "w:bz2") as archive:
            for path in sorted((Path(self.root) / "data" / "speeches").iterdir()):
                archive.addfile(*_nameless(path))
        build_data["force_include"][str(made / "speeches.tar.bz2")] = "kaygraph_viz/_data/speeches.tar.bz2"


def _nameless(path: Path) -> tuple[tarfile.TarInfo, BytesIO]:
    """Return a file without its owner and time, so that equal files make equal archives."""
    content = path.read_bytes()
    entry = tarfile.TarInfo(f"{path.parent.name}/{path.name}")
    entry.size = len(content)
    return entry, BytesIO(content)


def _without_outputs(path: Path) -> str:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
