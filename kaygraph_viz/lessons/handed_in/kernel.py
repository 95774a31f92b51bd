"""One Jupyter kernel in which the cells of a notebook are run, and that may hang or die at any time.

Belongs here: starting it, running a cell with a time limit, ending it with all that it started. Does not belong here:
which cells are run (``notebook``).
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from types import TracebackType
from typing import Any, Literal, Self

from kaygraph_viz._optional import require

__all__ = ["CellRun", "Kernel"]

PACKAGE = Path(__file__).parents[3]  # the folder with the package
TEXTS_ONLY = "get_ipython().display_formatter.active_types = ['text/plain']"
POLL_S = 0.2
START_S = 60.0
MAX_PRINTED = 100_000  # characters that are kept of what one cell shows


@dataclass(frozen=True)
class CellRun:
    """What a cell did.

    Parameters
    ----------
    shown
        Its text outputs, in order, its error included.
    error
        The class and the message of its error, or "".
    end
        How it ended: ``"ok"``, with an ``"error"``, ``"late"`` (the kernel still runs it) or with a kernel that
        ``"died"``.
    """

    shown: str
    error: str
    end: Literal["ok", "error", "late", "died"]


class Kernel:
    """A new Python kernel; leaving the block ends it and the processes that it has started.

    Parameters
    ----------
    folder
        Where it runs.
    environment
        The variables of its environment; default: ours.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        path = [str(PACKAGE), os.environ.get("PYTHONPATH", "")]  # the lessons there are those that are here
        inherited = os.environ if environment is None else environment
        ours = {"PYTHONPATH": os.pathsep.join(filter(None, path)), "MPLBACKEND": "agg"}  # nobody sees the charts
        self._environment = {**inherited, **ours}

    async def __aenter__(self) -> Self:
        require("jupyter_client")
        from jupyter_client.manager import AsyncKernelManager

        self._manager = AsyncKernelManager(kernel_name="python3")
        await self._manager.start_kernel(cwd=str(self._folder), env=self._environment, stdout=DEVNULL, stderr=DEVNULL)
        self._client = self._manager.client()
        try:
            self._client.start_channels()
            await self._client.wait_for_ready(timeout=START_S)
            await self.run(TEXTS_ONLY, START_S, silent=True)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        self._client.stop_channels()
        await self._manager.shutdown_kernel(now=True)

    async def run(self, source: str, timeout_s: float, *, silent: bool = False) -> CellRun:
        """Run a cell and return what it did. After one that was late or died, the kernel runs no other.

        Parameters
        ----------
        source
            The code; IPython's additions to Python may be used.
        timeout_s
            How long it may take [s].
        silent
            Whether IPython's events of cells leave it out.
        """
        asked = self._client.execute(source, silent=silent, allow_stdin=False)
        shown: list[str] = []
        error, left, until = "", MAX_PRINTED, time.monotonic() + timeout_s
        while time.monotonic() < until:
            try:
                message = await self._client.get_iopub_msg(timeout=POLL_S)
            except queue.Empty:
                if not await self._manager.is_alive():
                    break
                continue
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return CellRun("".join(shown), error, "error" if error else "ok")
            if kind == "error":
                error = f"{content['ename']}: {content['evalue']}"
            text = f"{error}\n" if kind == "error" else _text(content)
            shown.append(text[:left])
            left -= len(shown[-1])
        return CellRun("".join(shown), error, "late" if await self._manager.is_alive() else "died")


def _text(content: Mapping[str, Any]) -> str:
    """Return the text of an output."""
    shown = content.get("text", "") or content.get("data", {}).get("text/plain", "")
    return shown if isinstance(shown, str) and "text" in content else f"{shown}\n" if shown else ""
