"""Find a shipped data file and read it as a table.

Belongs here: where the files are in an installed package or a checkout, and rows of text with the right columns.
Does not belong here: what the columns mean (``customers``, ``places``, ``orders``, ``profiles``, ``speeches``).
"""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from kaygraph_viz.checks import checked_whole
from kaygraph_viz.errors import DataError, short

__all__ = ["checked_limit", "data_path", "data_text", "read_table"]

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = (_PACKAGE / "_data", _PACKAGE.parent / "data")  # of an installed package, of a checkout


def data_path(name: str, *, folder: str = "") -> Path:
    """Return the path of one shipped data file.

    An installed package keeps the files inside itself; a checkout keeps them in ``data/``. The first is looked at
    first.

    Raises
    ------
    DataError
        When `name` or `folder` is not a plain name, or neither place has the file.

    Examples
    --------
    >>> data_path("customers.csv").name
    'customers.csv'
    """
    if not _is_plain(name) or not (folder == "" or _is_plain(folder)):
        asked = short(f"{folder}/{name}" if folder else name)
        raise DataError(f"a data file is asked for by its plain name, such as 'customers.csv', got {asked}", name=name)
    places = [place / folder for place in _FOLDERS]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise DataError(
        f"the data file {name!r} is neither in {places[0]} (installed package) nor in {places[1]} (checkout); "
        "check the spelling, install the package again, or run the command in data/README.md that makes the file",
        name=name,
    )


def data_text(name: str, *, folder: str) -> str:
    """Return one of the many texts of a folder; an installed package keeps them in one archive, a third as large.

    Raises
    ------
    DataError
        When there is no such text.

    Examples
    --------
    >>> data_text("1863-Lincoln-1.txt", folder="speeches")[:48]
    'Fellow-Citizens of the Senate and House of Repre'
    """
    archive = _PACKAGE / "_data" / f"{folder}.tar.bz2"
    if not archive.is_file():
        return data_path(name, folder=folder).read_text(encoding="utf-8")
    try:
        return _texts(archive)[f"{folder}/{name}"]
    except KeyError:
        raise DataError(f"the archive {archive} has no {short(name)}", name=name) from None


@cache
def _texts(archive: Path) -> dict[str, str]:
    with tarfile.open(archive) as files:
        read = ((each.name, files.extractfile(each)) for each in files)
        return {name: content.read().decode("utf-8") for name, content in read if content is not None}


def read_table(name: str, columns: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the rows of a shipped CSV file, without its header, which must be `columns`.

    Examples
    --------
    >>> read_table("domains.csv", ("domain", "status"))[0]
    ('example.com', 'deliverable')
    """
    path = data_path(name)
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = [tuple(row) for row in csv.reader(file)] or [()]
    if header != tuple(columns):
        raise DataError(f"{path} must start with the columns {', '.join(columns)}, got {', '.join(header)}", path=path)
    for number, row in enumerate(rows, start=2):
        if len(row) != len(columns):
            raise DataError(f"{path}, row {number}: expected {len(columns)} values, got {len(row)}", path=path)
    return tuple(rows)


def checked_limit(limit: int | None, example: str) -> int | None:
    """Return `limit` when it is a number of records or None."""
    return None if limit is None else checked_whole("limit", limit, 0, example=example)


def _is_plain(name: str) -> bool:
    return bool(name) and name == Path(name).name and "\\" not in name and "\0" not in name
