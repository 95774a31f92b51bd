"""Files that are written whole or not at all.

Belongs here: what all file formats share. Does not belong here: what is in the files (``files``, ``export``), and
reading them (``unpacking``).
"""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["written"]


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
