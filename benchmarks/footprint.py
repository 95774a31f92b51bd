"""What an installation takes: ``python -m benchmarks.footprint``, which needs the package index and some minutes.

Belongs here: packages and megabytes of each extra in an environment of its own. Does not belong here: whether it works
(``tests/test_wheel.py``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
EXTRAS = ("", "notebook", "lessons", "lab")
OWN = {"pip", "setuptools", "wheel", "kaygraph-viz", "kaygraph_viz"}


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into a folder, and return it."""
    _pip(sys.executable, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("kaygraph_viz-*.whl")
    return wheel


def install(wheel: Path, extra: str, folder: Path) -> Path:
    """Install a wheel with an extra into a new environment, and return its Python."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    _pip(str(python), "install", "--quiet", f"{wheel}[{extra}]" if extra else str(wheel))
    return python


def packages(python: Path) -> set[str]:
    """Return the names of what is installed in an environment beside the package itself."""
    listed = json.loads(_pip(str(python), "list", "--format=json"))
    return {each["name"] for each in listed} - OWN


def direct(extra: str) -> int:
    """Return how many packages are named by the core, or by an extra beside other extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return sum(not each.startswith("kaygraph-viz") for each in named)


def environment() -> dict[str, str]:
    """Return the variables of this process without those that let a Python find more than what is installed in it."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def _pip(python: str, *words: str) -> str:
    command = [python, "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout


def main() -> None:
    """Print the table."""
    with TemporaryDirectory() as made:
        wheel = build_wheel(Path(made))
        print(f"the wheel: {wheel.stat().st_size / 1e6:.1f} MB")
        for extra in EXTRAS:
            python = install(wheel, extra, Path(made) / (extra or "core"))
            files = (path for path in python.parents[1].rglob("*") if path.is_file() and not path.is_symlink())
            size = sum(path.stat().st_size for path in files)
            name = f"[{extra}]" if extra else "core"
            print(f"{name:>11}: {direct(extra):2} named, {len(packages(python)):3} in all, {size / 1e6:4.0f} MB")


if __name__ == "__main__":
    main()
