"""The lessons as a site that runs in a browser tab: ``python -m tests.pyodide.site out/lite`` builds it.

Belongs here: JupyterLite with a Pyodide distribution that is at hand, our wheel and others, and the notebooks. Does not
belong here: what is tested of it.

The site is made of files only and asks no other host for anything: any server of files can publish it. Our package and
those that it needs are listed in the lock file of the distribution, so that the first import of a lesson loads them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from email import message_from_string
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .distribution import MAY_HAVE, MISSING, PACKAGES, ROOT, WHEELS, download_wheels, found

FOR_THE_KERNEL = ("micropip", "jedi", "matplotlib-pyodide", "pyodide-unix-timezones")
KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"
SETTINGS = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "appName": "Lessons of kaygraph-viz",
        "exposeAppInBrowser": True,  # for the tests
        "litePluginSettings": {KERNEL: {"disablePyPIFallback": True}},
    },
}
OVERRIDES = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True,
    },
}  # fmt: skip


def build(target: Path, notebooks: Path = ROOT / "notebooks") -> None:
    """Build the site of some notebooks in a folder, which is replaced."""
    shutil.rmtree(target, ignore_errors=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_distribution(folder / "static" / "pyodide")
        (folder / "jupyter-lite.json").write_text(json.dumps(SETTINGS))
        (folder / "overrides.json").write_text(json.dumps(OVERRIDES))
        lessons = folder / "lessons"
        lessons.mkdir()
        for path in notebooks.glob("*.ipynb"):
            shutil.copy(path, lessons)
        jupyter = [sys.executable, "-m", "jupyter", "lite", "build", "--lite-dir", folder, "--contents", lessons]
        options = ["--output-dir", target.resolve(), "--apps", "lab", "--no-sourcemaps"]
        subprocess.run([*jupyter, *options], check=True, cwd=folder, stdout=subprocess.DEVNULL)


def make_distribution(folder: Path) -> None:
    """Copy what the lessons need of the distribution; add the wheels to it, and to its lock file."""
    source = found()
    lock = json.loads((source / "pyodide-lock.json").read_text())
    packages = {name: lock["packages"][name] for name in needed(lock["packages"], (*PACKAGES, *MAY_HAVE))}
    left_out = {entry["file_name"] for entry in lock["packages"].values()}
    left_out -= {entry["file_name"] for entry in packages.values()}
    shutil.copytree(source, folder, ignore=lambda _, names: left_out.intersection(names))
    known = {path.name for path in folder.glob("*.whl")}
    download_wheels(folder)
    for path in sorted(folder.glob("*.whl")):
        if path.name not in known:
            entry = entry_of(path)
            packages.setdefault(entry["name"], entry)
    packages["kaygraph-viz"]["depends"] = [name for name in (*PACKAGES, *MAY_HAVE, *WHEELS) if name in packages]
    (folder / "pyodide-lock.json").write_text(json.dumps(lock | {"packages": packages}))


def needed(packages: dict[str, Any], names: Iterable[str]) -> set[str]:
    """Return the names of packages, as far as there are such, and of all that they depend on."""
    found: set[str] = set()
    left = [name for name in (*names, *FOR_THE_KERNEL) if name in packages]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [each.replace("_", "-") for each in packages[name]["depends"]]
    return found


def entry_of(wheel: Path) -> dict[str, Any]:
    """Return what a lock file says of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        facts = message_from_string(archive.read(metadata).decode())
    imports = {name.partition("/")[0].removesuffix(".py") for name in names if name.endswith(".py")}
    return {
        "name": facts["Name"].lower().replace("_", "-"),
        "version": facts["Version"],
        "file_name": wheel.name,
        "install_dir": "site",
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "package_type": "package",
        "imports": sorted(name for name in imports if name.isidentifier()),
        "depends": [],
        "unvendored_tests": False,
    }


if __name__ == "__main__":
    if found() is None:
        sys.exit(MISSING)
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "out/lite"))
