"""Chromium, and what it asked of the network.

Belongs here: finding it, starting it, listening to it. Does not belong here: JupyterLab (``lab``, ``notebook_page``).
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # what asks for another host gets no answer
]  # fmt: skip
OF_THE_PAGE = ("data:", "blob:", "about:")  # addresses of what a page holds already
WIDTH, HEIGHT = 1280, 1600


def missing() -> str:
    """Return what keeps the tests from a browser, and how to get it; or an empty text."""
    if importlib.util.find_spec("playwright") is None:
        return "no playwright: pip install playwright (it is in the extra test)"
    if not any(map(shutil.which, NAMES)):
        return f"no Chromium ({', '.join(NAMES)}): install it, on Debian with apt-get install chromium"
    return ""


@contextmanager
def launched() -> Iterator[Browser]:
    """Start the Chromium that is on the PATH, without a window; end it with the block."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, NAMES)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Listener:
    """What pages did that a reader must never meet: dialogs, and requests to anybody but those that are allowed.

    Parameters
    ----------
    context
        The pages to listen to: all that it opens from now on.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.allowed: tuple[str, ...] = OF_THE_PAGE
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("page", self._listen)

    def _listen(self, page: Page) -> None:
        page.on("websocket", lambda socket: self.requests.append(socket.url))
        page.on("dialog", self._dismiss)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    @property
    def foreign(self) -> list[str]:
        """The requests to addresses that are not allowed."""
        return [url for url in self.requests if not url.startswith(self.allowed)]
