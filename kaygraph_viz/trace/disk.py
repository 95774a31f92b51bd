"""Files that are written whole or not at all.

Belongs here: what all file formats share. Does not belong here: what is in the files (``files``, ``export``), and
reading them (``unpacking``).
"""

from __future__ import annotations

import errno
import gzip
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from kaygraph_viz.blocks import contextmanager

__all__ = ["written"]


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream for the new content of `path`, compressed when its name ends in ``.gz``."""
    if path.exists() and not path.is_file() and not path.is_dir():
        with path.open("wb") as raw, _compressed(raw, path) as stream:
            yield stream
        return
    beside = path.parent / f".{path.name[:40]}.{secrets.token_hex(4)}.tmp"
    try:
        with beside.open("xb") as raw:  # not mkstemp: the file shall be as readable to others as any new one
            _take_permissions(path, beside)
            with _compressed(raw, path) as stream:
                yield stream
        beside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError) and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _take_permissions(path: Path, beside: Path) -> None:
    """Give a new file the permissions of the one that it replaces, if that may be written at all."""
    if path.is_file() and not path.is_symlink():
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        beside.chmod(path.stat().st_mode & 0o777)


def _compressed(raw: IO[bytes], path: Path) -> IO[bytes]:
    # no name and no time in the header: equal traces make equal files
    return gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else raw  # type: ignore[return-value]
