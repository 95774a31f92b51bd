"""Python in a browser tab: where its files are, and a page that runs code in it.

Belongs here: the distribution, the wheels that go with it, and the page. Does not belong here: what is tested.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WHEELS = (  # those of pure Python that the tests need beside what the distribution has
    "networkx", "cloudpickle", "tqdm", "tenacity", "ipywidgets", "anywidget", "comm", "psygnal", "typing-extensions",
    "widgetsnbextension", "jupyterlab-widgets", "starlette", "httpx2", "anyio", "idna", "phonenumbers",
    "email-validator", "dnspython", "cattrs", "attrs", "bytecode",
)  # fmt: skip
PACKAGES = ("numpy", "matplotlib", "ipython", "sqlite3", "ssl")
MAY_HAVE = ("pydantic", "joblib")  # what some lessons use, and not every distribution has
_PAGE = '<!doctype html><link rel="icon" href="data:,"><script src="pyodide.js"></script>'
_LOAD = "async (names) => { window.py = await loadPyodide(); await py.loadPackage(names); }"
_START = """
import io, json, sys, zipfile
from pyodide.http import pyfetch
site = next(path for path in sys.path if path.endswith("site-packages"))
for name in json.loads(await (await pyfetch("wheels.json")).text()):
    zipfile.ZipFile(io.BytesIO(await (await pyfetch(name)).bytes())).extractall(site)
"""
_RUN = """async (code) => {
  const lines = [];
  for (const set of ["setStdout", "setStderr"]) py[set]({ batched: (line) => lines.push(line) });
  try { await py.runPythonAsync(code); } catch (error) { lines.push(String(error)); }
  return lines.join("\\n");
}"""


def found() -> Path | None:
    """Return the folder with the distribution: the one that is named, or one that is at hand; or None."""
    named = os.environ.get("PYODIDE_DIST")
    folders = [Path(named).resolve()] if named else [ROOT / "out" / "pyodide", ROOT.parent / "shared" / "pyodide"]
    return next((folder for folder in folders if (folder / "pyodide.js").is_file()), None)


def newest(folder: Path) -> Path | str:
    """Get the core of the newest release, which has no NumPy, with npm; return its folder, or why there is none."""
    npm = shutil.which("npm")
    if npm is None:
        return "no npm, which has the core of the newest Pyodide: install Node.js"
    options = ["--prefix", folder, "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run([npm, "install", *options, "pyodide"], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1:]
    return folder / "node_modules" / "pyodide" if done.returncode == 0 else f"npm got no Pyodide: {last}"


MISSING = "no Pyodide: make get-pyodide writes one to out/pyodide; PYODIDE_DIST can name another folder"


def collect(folder: Path, distribution: Path) -> None:
    """Put a distribution, our wheel, others and the scenarios into a folder that can be served."""
    for file in distribution.iterdir():
        (folder / file.name).symlink_to(file)
    made = folder / "wheels"
    download_wheels(made)
    with zipfile.ZipFile(made / "tests.zip", "w") as archive:
        for name in ("language.py", "scenarios.py", "schedules.txt", "turns.py"):
            archive.write(ROOT / "tests" / "virtual" / name, f"tests/virtual/{name}")
    names = [f"wheels/{path.name}" for path in sorted(made.iterdir())]
    (folder / "wheels.json").write_text(json.dumps(names))
    (folder / "index.html").write_text(_PAGE)


def download_wheels(folder: Path) -> None:
    """Build our wheel and get the others, which are of pure Python."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    pure = ["--platform=any", "--only-binary=:all:", "--python-version=3.12", "--implementation=py", "--abi=none"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT], check=True)
    subprocess.run([*pip, "download", "--no-deps", *pure, "--dest", folder, *WHEELS], check=True)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and return its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class Tab:
    """A browser tab with Python and our package."""

    def __init__(self, page, address: str, packages: Sequence[str]) -> None:
        self._page = page
        page.goto(address)
        page.evaluate(_LOAD, packages)
        assert self.run(_START) == ""

    def run(self, code: str) -> str:
        """Run code, which may await, and return what it prints, and its error."""
        return str(self._page.evaluate(_RUN, code))
