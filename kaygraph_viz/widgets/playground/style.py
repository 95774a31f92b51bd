"""The style sheet of panels, and tables as the lines of a list.

Belongs here: looks. Does not belong here: widgets (``playground``, ``progress``).
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["STYLE", "lines_of"]

SPACE = "\N{NO-BREAK SPACE}"  # the entries of a list would lose ordinary ones
MONOSPACED = "var(--jp-code-font-family, ui-monospace, monospace)"
HIDDEN = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)"  # except for readers
STYLE = f"""<style>
.kv-playground {{ max-width: 1040px; gap: 4px; }}
.kv-playground .kv-controls {{ display: grid; gap: 0 20px; }}
.kv-playground .kv-controls {{ grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); }}
.kv-playground .kv-number > label {{ {HIDDEN}; }}
.kv-playground .kv-status {{ min-height: 1.7em; }}
.kv-playground .kv-status .widget-html-content {{ white-space: normal; line-height: 1.45; }}
.kv-playground .kv-chart .widget-html-content {{ white-space: normal; }}
.kv-pictures {{ display: flex; flex-wrap: wrap; align-items: flex-start; gap: 4px; }}
.kv-playground .kv-pale .widget-html-content {{ opacity: 0.3; filter: grayscale(1); }}
.kv-words {{ margin: 2px 0 6px; color: var(--jp-ui-font-color2, #555); line-height: 1.45; }}
.kv-columns, .kv-log select {{ font-family: {MONOSPACED} !important; font-size: 13px !important; white-space: pre; }}
.kv-columns {{ padding-left: 5px; color: var(--jp-ui-font-color2, #555); line-height: 1.3; }}
.kv-playground .kv-log {{ width: auto; margin-right: 4px; flex-direction: column; height: auto; }}
.kv-playground .kv-log > label {{ {HIDDEN}; }}
.kv-playground .kv-log select {{ width: 100%; box-sizing: border-box; overflow-y: auto; }}
.kv-playground .kv-log select {{ flex: none; height: auto; min-height: 0; }}
</style>"""


def lines_of(table: Sequence[Sequence[str]]) -> list[str]:
    """Return a table as lines with straight columns, the first left-aligned and the others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    first, *others = widths
    gap = SPACE * 2
    return [
        gap.join(
            [
                row[0].ljust(first, SPACE),
                *(cell.replace(" ", SPACE).rjust(width, SPACE) for cell, width in zip(row[1:], others, strict=True)),
            ]
        )
        for row in table
    ]
