"""Files that are written whole or not at all, and read with care.

Belongs here: what all file formats share. Does not belong here: what is in the files (``files``, ``export``).
"""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from kaygraph_viz.errors import TraceFormatError

__all__ = ["opened", "written"]


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream for the new content of `path`, compressed when its name ends in ``.gz``.

    An existing file is replaced when the block ends; when it raises, the file stays as it was.
    """
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}")
    with beside.open("xb") as raw:  # not mkstemp: the file shall be as readable to others as any new one
        try:
            with _compressed(raw, path) as stream:
                yield stream
            raw.close()
            beside.replace(path)
        except BaseException:
            raw.close()
            beside.unlink()
            raise


def _compressed(raw: IO[bytes], path: Path) -> IO[bytes]:
    # no name and no time in the header: equal traces make equal files
    return gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else raw  # type: ignore[return-value]


def opened(raw: IO[bytes], path: Path) -> IO[bytes]:
    """Return a stream of what is in a file that was opened, also of a compressed one, but refuse a pickle."""
    head = raw.read(2)
    raw.seek(0)
    if head[:1] == b"\x80":
        raise TraceFormatError(f"{path} is a pickle; pickles can run code and are never loaded. Save with trace.save()")
    return gzip.GzipFile(fileobj=raw) if head == b"\x1f\x8b" else raw  # type: ignore[return-value]
