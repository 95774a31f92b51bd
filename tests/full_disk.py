"""A disk on which there is room for a few bytes more, for tests of what writes files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def full_disk(room: int = 100) -> Iterator[None]:
    """Let no file grow beyond `room` bytes inside the block: what writes more gets an `OSError`, as on a full disk."""
    resource = pytest.importorskip("resource", reason="the system has no limits of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
