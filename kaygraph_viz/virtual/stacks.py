"""The stack of calls that a frame belongs to.

Belongs here: following it outwards. Does not belong here: whose frame it is (``carriers``), what it says (``places``).
"""

from __future__ import annotations

from types import FrameType

__all__ = ["stack_of"]


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and those that wait for it, innermost first."""
    frames = list[FrameType]()
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames
