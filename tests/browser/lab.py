"""A JupyterLab server of its own: on the loopback, with folders and settings that are thrown away.

Belongs here: starting and ending it. Does not belong here: what is done in its pages (``notebook_page``).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

GUARD_S = 60.0  # against hanging; it starts in 2 s when all is well
OPTIONS = [
    "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--LabApp.expose_app_in_browser=True",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    # Whoever started it may be killed, so that nobody ends it: then it ends by itself.
    "--ServerApp.shutdown_no_activity_timeout=120", "--MappingKernelManager.cull_idle_timeout=300",
    "--MappingKernelManager.cull_connected=True",
]  # fmt: skip
SETTINGS = {
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True},
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells that are not in sight have outputs, too
    "docmanager-extension/plugin": {"autosave": False},
}
FOLDERS = {
    "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython",
}  # fmt: skip


class Lab:
    """A server that runs.

    Attributes
    ----------
    notebooks
        The folder whose notebooks it opens.
    address, token
        Where it listens, ``http://127.0.0.1:port/``, and what opens it.
    """

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self.token = secrets.token_hex(16)
        self._runtime = folder / "runtime"
        self._log = folder / "log.txt"
        _write_settings(folder / "settings" / "@jupyterlab")
        folders = {name: str(folder / place) for name, place in FOLDERS.items()}
        with self._log.open("w") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *OPTIONS], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                cwd=self.notebooks, env=os.environ | folders | {"JUPYTER_TOKEN": self.token}, start_new_session=True,
            )  # fmt: skip
        self.address = ""

    def wait(self) -> None:
        """Wait until the server listens, which it tells in a file."""
        path = self._runtime / f"jpserver-{self._server.pid}.json"
        until = time.monotonic() + GUARD_S
        while not self.address:
            assert self._server.poll() is None, self._log.read_text()
            assert time.monotonic() < until, self._log.read_text()
            try:
                self.address = json.loads(path.read_text())["url"]
            except (FileNotFoundError, json.JSONDecodeError):  # not there yet, or half written
                time.sleep(0.02)

    def url(self, name: str) -> str:
        """Return the address that opens a notebook of the folder alone in the window."""
        return f"{self.address}doc/tree/{name}?token={self.token}&reset"

    def end(self) -> None:
        """End the server and all that it started; there is nothing to save."""
        server = psutil.Process(self._server.pid)
        for process in [server, *server.children(recursive=True)]:
            _kill(process)
        self._server.wait()


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def _write_settings(folder: Path) -> None:
    for name, values in SETTINGS.items():
        path = folder / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))


@contextmanager
def served(folder: Path) -> Iterator[Lab]:
    """Start a server with everything it writes in a folder; end it with the block. It may not listen yet."""
    lab = Lab(folder)
    try:
        yield lab
    finally:
        lab.end()
