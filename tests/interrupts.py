"""Interrupts at each moment at which Python can raise one: as a function begins, and after a call of one in C."""

from __future__ import annotations

import gc
import itertools
import sys

MOMENTS = ("call", "c_return")
MODULES = ("kaygraph_viz", "contextlib")


def is_ours(frame):
    """Return whether a frame is one of our modules, and no generator that may be at its end: that ends in silence."""
    return frame.f_globals.get("__name__", "").partition(".")[0] in MODULES and frame.f_code.co_name != "<genexpr>"


def interrupted(act, moment):
    """Call `act` with an interrupt at a moment, counted from 1; return the event and code that it hit, or None.

    Only those in our modules count: an interrupt in the start of a thread may leave it in the list of Python for ever.
    Nothing is collected meanwhile: Python swallows what is raised as it closes a generator of somebody else.
    """
    count, hit, is_collecting = 0, None, gc.isenabled()

    def profile(frame, event, _argument):
        nonlocal count, hit
        if event in MOMENTS and is_ours(frame):
            count += 1
            if count == moment:
                sys.setprofile(None)
                hit = (event, frame.f_code.co_qualname)
                raise KeyboardInterrupt

    gc.disable()
    sys.setprofile(profile)
    try:
        act()
    except KeyboardInterrupt:
        assert hit is not None
    finally:
        sys.setprofile(None)
        if is_collecting:
            gc.enable()
    return hit


def interrupted_everywhere(act):
    """Call `act` with an interrupt at one moment after the other, until it ends before that; yield what each hit."""
    for moment in itertools.count(1):
        hit = interrupted(act, moment)
        if hit is None:
            return
        yield hit
