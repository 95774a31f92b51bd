"""The calls that a thread is in.

Belongs here: reading them from frames that run or are set aside. Does not belong here: what messages say of them
(``places``).
"""

from __future__ import annotations

from types import FrameType

__all__ = ["stack_of"]


def stack_of(frame: FrameType | None) -> list[FrameType]:
    """Return a frame and those that wait for it, innermost first.

    Examples
    --------
    >>> import sys
    >>> def inner():
    ...     return [frame.f_code.co_name for frame in stack_of(sys._getframe())][:2]
    >>> def outer():
    ...     return inner()
    >>> outer()
    ['inner', 'outer']
    """
    frames = list[FrameType]()
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames
