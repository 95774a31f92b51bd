"""The parts of pieces whose sums of CPU and blocked time do not say what they did when.

Belongs here: cutting the parts of branches to their attempts, and finding out which pieces need none. Does not belong
here: which pieces there are (``pieces``) and how their parts are sent (``packing``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kaygraph_viz.analysis.intervals import Bools, Ints
from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.parts import PART_CODE
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.counting import sums
from kaygraph_viz.trace.part_table import stretches
from kaygraph_viz.widgets.timeline.pieces import Pieces

__all__ = ["PieceParts", "with_parts"]

CPU, WAIT, BLOCKED, PAUSE, UNKNOWN = (PART_CODE[kind] for kind in ("cpu", "wait", "blocked", "pause", "unknown"))
Floats = npt.NDArray[np.float64]


class PieceParts(NamedTuple):
    """Parts of some pieces, piece by piece and in the order of time, m of them."""

    owner: Places
    kind: npt.NDArray[np.uint8]
    end_ns: Ints
    share: Floats


def with_parts(columns: SpanColumns, pieces: Pieces) -> tuple[Pieces, PieceParts]:
    """Return the pieces with the sums of their parts, and the parts of those pieces whose sums do not say all."""
    mine = np.flatnonzero(np.isin(columns.rows["span_id"], columns.parts.span_id)[pieces.unit])
    if not len(columns.parts.parts):
        return pieces, PieceParts(mine[:0], np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0))
    parts = _cut(columns, pieces, mine)
    pieces = _with_sums(pieces, parts, mine)
    needed = _needed(pieces, parts)[parts.owner]
    return pieces, PieceParts(parts.owner[needed], parts.kind[needed], parts.end_ns[needed], parts.share[needed])


def _cut(columns: SpanColumns, pieces: Pieces, mine: Places) -> PieceParts:
    """Return the parts of pieces, cut at the ends of the pieces; `pieces` must hold all pieces of its bars."""
    is_first = pieces.is_first[mine]
    found = stretches(columns, pieces.unit[mine[is_first]])
    bar = np.cumsum(is_first) - 1
    ends, bars = np.concatenate([found.ended_ns, pieces.end_ns[mine]]), np.concatenate([found.owner, bar])
    is_piece = np.arange(len(ends)) >= len(found.owner)
    order = np.lexsort((is_piece, ends, bars))
    ends, bars, is_piece = ends[order], bars[order], is_piece[order]
    piece: Places = np.cumsum(is_piece) - is_piece  # how many have ended before
    part = np.arange(len(ends)) - piece
    is_new = np.append(True, (ends[1:] > ends[:-1]) | (bars[1:] > bars[:-1]))[: len(ends)]
    is_new &= (part < len(found.owner)) & (piece < len(mine))
    part, piece, ends, bars = part[is_new], piece[is_new], ends[is_new], bars[is_new]
    is_inside = (found.owner[part] == bars) & (bar[piece] == bars) & (ends > pieces.start_ns[mine[piece]])
    part, owner = part[is_inside], mine[piece[is_inside]]
    return PieceParts(owner, found.kind[part], ends[is_inside], found.cpu_share[part])


def _lengths_ns(pieces: Pieces, parts: PieceParts) -> tuple[Ints, Bools]:
    """Return how long each part lasts [ns], and whether it is the first of its piece."""
    is_first = parts.owner != np.append(-1, parts.owner[:-1])
    begins = np.where(is_first, pieces.start_ns[parts.owner], np.append(0, parts.end_ns[:-1]))
    return parts.end_ns - begins, is_first


def _with_sums(pieces: Pieces, parts: PieceParts, mine: Places) -> Pieces:
    """Return pieces with CPU and blocked time summed from their parts: the trace only has those of the whole bar."""
    lasted, _ = _lengths_ns(pieces, parts)
    size, tried = len(pieces.unit), mine[pieces.is_piecewise[mine]]
    cpu = sums(parts.owner, np.nan_to_num(parts.share) * lasted, size).round().astype(np.int64)
    cpu[sums(parts.owner, np.isnan(parts.share), size) > 0] = -1
    blocked = sums(parts.owner, (parts.kind == BLOCKED) * lasted, size).astype(np.int64)
    pieces.cpu_ns[tried], pieces.blocked_ns[tried] = cpu[tried], blocked[tried]
    return pieces


def _needed(pieces: Pieces, parts: PieceParts) -> Bools:
    """Return which pieces have parts that do not follow from their sums, as `kaygraph_viz.parts.derived_parts` does."""
    lasted, is_first = _lengths_ns(pieces, parts)
    rest = (pieces.end_ns - pieces.start_ns - pieces.blocked_ns)[parts.owner]
    cpu = pieces.cpu_ns[parts.owner]
    derived = np.where(cpu >= rest, CPU, np.where(cpu == 0, WAIT, UNKNOWN))
    is_pause = pieces.is_pause[parts.owner]
    derived[is_pause] = PAUSE
    is_derived = is_first & (parts.kind == derived) & (lasted == rest)
    is_last = np.append(is_first[1:], True)
    is_derived |= is_last & ~is_pause & (parts.kind == BLOCKED) & (lasted == pieces.blocked_ns[parts.owner])
    return sums(parts.owner, ~is_derived, len(pieces.unit)) > 0
