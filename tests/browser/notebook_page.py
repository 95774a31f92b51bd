"""A notebook that is open in JupyterLab: run it, wait for what it shows, use its panels.

Belongs here: everything that knows how JupyterLab calls its parts. Does not belong here: what a test expects.

All waits are for something that is shown or known to the page, never for a time, and never for an idle kernel, which is
what a kernel seems to be before it exists.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

GUARD_MS = 300_000  # against hanging; a notebook runs in seconds
POLL_MS = 100  # how often the page looks; as often as it draws would take a core from the kernel

# The functions below run in the page. `cells` are the code cells of the notebook that is open.
READY = """async () => {
    const open = window.jupyterapp.shell.currentWidget;
    await open.context.ready; await open.sessionContext.ready;
}"""
IS_LOADED = "() => window.jupyterapp?.shell?.currentWidget?.context !== undefined"
CELLS = """const notebook = window.jupyterapp.shell.currentWidget.content;
    const cells = notebook.widgets.filter(cell => cell.model.type === 'code');"""
OUTPUTS = CELLS + "const outputs = cells.map(cell => cell.outputArea.model.toJSON());"
COMMAND = "name => { window.jupyterapp.commands.execute(name); }"  # whoever awaits it may wait for ever
IS_CLEAR = f"() => {{ {OUTPUTS} return outputs.flat().length === 0; }}"
HAS_ENDED = f"""() => {{
    {OUTPUTS}
    if (outputs.flat().some(output => output.output_type === 'error')) return true;
    const silent = cells.map(cell => (cell.model.getMetadata('tags') ?? []).includes('no-output'));
    return cells.every((cell, i) => cell.model.executionCount !== null && (silent[i] || outputs[i].length > 0))
        && !document.body.innerText.includes('Loading widget')
        && [...document.querySelectorAll('.jp-OutputArea img')].every(image => image.complete);
}}"""
ERRORS = f"""() => {{
    {OUTPUTS}
    const bad = outputs.flat().filter(output => output.output_type === 'error' || output.name === 'stderr');
    const colours = /\\x1b\\[[0-9;]*m/g;
    const said = bad.map(output => String(output.text ?? output.traceback.join('\\n')).replace(colours, ''));
    return document.body.innerText.includes('Error displaying widget') ? [...said, 'Error displaying widget'] : said;
}}"""
TEXTS = f"""() => {{ {OUTPUTS} return outputs.map(list => list.map(output => String(
    output.text ?? output.data?.['text/plain'] ?? `${{output.ename}}: ${{output.evalue}}`)).join('')); }}"""
SELECT = f"number => {{ {CELLS} notebook.activeCellIndex = notebook.widgets.indexOf(cells[number]); }}"
CLOSE = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"
# Pictures are told apart by their data, canvases by what they publish about themselves.
PICTURE = """panel => [
    ...[...panel.querySelectorAll('img')].filter(image => image.complete).map(image => image.src),
    ...[...panel.querySelectorAll('canvas')].map(canvas => JSON.stringify(canvas.dataset)),
].join()"""

LOG = (
    "panel => [...panel.querySelectorAll('option')].map(option => option.text).join()"  # which one is chosen is not it
)


class NotebookPage:
    """A notebook that is open in JupyterLab.

    Parameters
    ----------
    page
        The page of the browser, for what is not here.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(GUARD_MS)
        self.wait_for(IS_LOADED)
        page.evaluate(READY)

    def wait_for(self, condition: str, arg: object = None) -> None:
        """Wait until a function of JavaScript returns something true."""
        self.page.wait_for_function(condition, arg=arg, polling=POLL_MS)

    def command(self, name: str) -> None:
        """Start a command of JupyterLab, such as ``notebook:interrupt-kernel``, and do not wait for its end."""
        self.page.evaluate(COMMAND, name)

    def run_all(self) -> None:
        """Clear what is stored and run all cells; wait until each shows what it has to show, or one failed."""
        self.command("notebook:clear-all-cell-outputs")
        self.wait_for(IS_CLEAR)
        self.command("notebook:run-all-cells")
        self.wait_for(HAS_ENDED)

    def run_cell(self, number: int) -> None:
        """Start a code cell, counted from 0, and do not wait for its end."""
        self.page.evaluate(SELECT, number)
        self.command("notebook:run-cell")

    def texts(self) -> list[str]:
        """Return what is printed below each code cell, as text; of an error its name and message."""
        return self.page.evaluate(TEXTS)

    def wait_for_text(self, cell: int, text: str) -> None:
        """Wait until a text is printed below a code cell."""
        self.wait_for(f"([cell, text]) => ({TEXTS})()[cell].includes(text)", [cell, text])

    def errors(self) -> list[str]:
        """Return the error outputs, what was written to the error channel, and widgets that are not shown."""
        return self.page.evaluate(ERRORS)

    def dialogs(self) -> list[str]:
        """Return the texts of JupyterLab's dialogs that are open."""
        return self.page.locator(".jp-Dialog").all_inner_texts()

    def panel(self, number: int = 0) -> Panel:
        """Return the panel that is the n-th output with a slider."""
        panel = self.page.locator(".jp-OutputArea-output:has(.widget-slider)").nth(number)
        panel.wait_for()
        return Panel(self.page, panel)

    def screenshots(self, folder: Path) -> list[Path]:
        """Save what is to be seen from top to bottom, one picture for each window full; return the files."""
        scroller = self.page.locator(".jp-WindowedPanel-outer").first
        window, whole = scroller.evaluate("it => [it.clientHeight, it.scrollHeight]")
        paths = []
        for number, top in enumerate(range(0, whole, window)):
            scroller.evaluate("(it, top) => { it.scrollTop = top; }", top)
            paths.append(folder / f"{number:02}.png")
            scroller.screenshot(path=paths[-1])
        return paths

    def close(self) -> None:
        """End the kernel and close the page, unless that was done."""
        if not self.page.is_closed():
            self.page.evaluate(CLOSE)
            self.page.close()


class Panel:
    """Controls below a cell, with the pictures and the texts that they change."""

    def __init__(self, page: Page, root: Locator) -> None:
        self.page = page
        self.root = root

    def press_on_slider(self, key: str, number: int = 0) -> None:
        """Press a key on the handle of a slider: Home, End, ArrowLeft, ArrowRight."""
        self.root.locator(".widget-slider .noUi-handle").nth(number).press(key)

    def click_on_slider(self, share: float, number: int = 0) -> None:
        """Click on the track of a slider, at a share of its length from the left."""
        track = self.root.locator(".widget-slider .noUi-target").nth(number)
        track.scroll_into_view_if_needed()
        box = track.bounding_box()
        assert box is not None
        self.page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] / 2)

    def click(self, button: str) -> None:
        """Click the button with a text."""
        self.root.locator(f"button:text-is('{button}')").click()

    def picture(self) -> str:
        """Return the data of the pictures that are shown, which differ where the pictures do."""
        return self.root.evaluate(PICTURE)

    def log(self) -> str:
        """Return what was tried so far, as it can be chosen in a list."""
        return self.root.evaluate(LOG)

    def text(self) -> str:
        """Return the texts that are shown."""
        return self.root.inner_text()

    def wait_for_picture_other_than(self, picture: str) -> None:
        """Wait until the pictures have changed."""
        self._wait_for_other(PICTURE, picture)

    def wait_for_log_other_than(self, log: str) -> None:
        """Wait until something else was tried."""
        self._wait_for_other(LOG, log)

    def wait_for_text(self, text: str) -> None:
        """Wait until a text is shown."""
        self.root.get_by_text(text).first.wait_for()

    def wait_for_text_other_than(self, text: str) -> None:
        """Wait until the texts have changed."""
        self._wait_for_other("panel => panel.innerText", text)

    def _wait_for_other(self, read: str, old: str) -> None:
        shown = self.root.element_handle()
        self.page.wait_for_function(f"([panel, old]) => ({read})(panel) !== old", arg=[shown, old], polling=POLL_MS)
