// Stretches of a row beside its bars: when a branch only waited for those within it, and when one held up its loop.
//
// Belongs here: finding, drawing and naming them. Does not belong here: which these are (plot/gantt/awaiting.py and
// loops.py), and bars (paint.js).

const HELD_LINE = 3;  // pixels

/** Stretches by row and start, each with the first piece of a bar of its branch in that row. */
class Stretches {
  constructor(run, name) {
    const { [`${name}_piece`]: piece = NONE, [`${name}_start`]: start, [`${name}_end`]: end } = run.columns;
    this.count = piece.count;
    this.piece = piece;
    this.start = Float64Array.from({ length: this.count }, (_, at) => start(at) * run.tick_s);
    this.end = Float64Array.from({ length: this.count }, (_, at) => end(at) * run.tick_s);
  }

  /** The first stretch that belongs to a piece, or to one behind it. */
  firstOf(piece) {
    let low = 0, high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.piece(middle) < piece) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** The stretches of a row that lie in a stretch of time or reach into it. */
  within(row, from, to) {
    const found = [], last = this.firstOf(row.last);
    for (let at = this.firstOf(row.first); at < last; at++) if (this.end[at] >= from && this.start[at] <= to) found.push(at);
    return found;
  }

  /** The stretch of a row at a time, the one that began last; -1 for none. */
  at(row, time) { return this.within(row, time, time).at(-1) ?? -1; }
}

/** Draw slim bars where branches waited for those within them: before bars, which lie over them. */
function drawAround(painter, run, row, middle, place, view) {
  const { pen, styles } = painter, tall = place.unit * styles.slim;
  pen.fillStyle = styles.parts.around.colour;
  pen.globalAlpha = view.marked ? 0.4 : 1;
  drawStretches(painter, run.around, row, middle - tall / 2, tall, place, view);
  pen.globalAlpha = 1;
}

/** Draw a line along the upper edge of bars where they held up their loop. */
function drawHeld(painter, run, row, middle, place, view) {
  painter.pen.fillStyle = painter.styles.held.colour;
  drawStretches(painter, run.held, row, middle - (place.unit * painter.styles.full) / 2 - HELD_LINE / 2, HELD_LINE, place, view);
}

function drawStretches(painter, stretches, row, y, tall, place, view) {
  let free = -Infinity;  // of many in one pixel, one is drawn
  for (const at of stretches.within(row, view.from, view.to)) {
    const x0 = Math.max(free, painter.edge(stretches.start[at], place)), x1 = painter.edge(stretches.end[at], place);
    if (x1 <= x0) continue;
    painter.pen.fillRect(x0, y, x1 - x0, tall);
    painter.drawn++;
    free = x1;
  }
}

/** What is known of a stretch in which a branch waited, as pairs of words. */
function aroundWords(run, styles, at) {
  const { around } = run, row = run.lanes[run.laneOf(around.piece(at))];
  return [["worker", row.lane], ["from", durationText(around.start[at])], [partWord(styles.parts.around), durationText(around.end[at] - around.start[at])]];
}

/** What is known of a whole branch around others, of which these are the pieces, as pairs of words. */
function branchWords(run, styles, pieces) {
  const { around } = run, row = run.lanes[run.laneOf(pieces[0])], last = pieces.at(-1);
  const waits = around.within(row, 0, Infinity).filter((at) => run.id(around.piece(at)) === run.id(last));
  const sum = (places, { start, end }) => places.reduce((total, at) => total + end[at] - start[at], 0);
  const own = sum(pieces, run), waited = sum(waits, around), from = Math.min(run.start[pieces[0]], ...waits.slice(0, 1).map((at) => around.start[at]));
  return [["worker", row.lane], ["from", durationText(from)], ["took", durationText(run.end[last] - from)], ["its own work", durationText(own)],
    [partWord(styles.parts.around), durationText(waited)], ...endWords(run, styles, last)];
}

/** How a branch around others ended, as far as that is known: what ended well has no mark at its end. */
function endWords(run, styles, at) {
  const ended = run.isRunning(at) ? "not yet" : run.isFailed(at) ? styles.statuses[run.status(at)].label : "";
  return [["ended", ended], ["error", run.errors[at] || ""]].filter(([, text]) => text);
}

/** How long a bar held up its loop at a time, as pairs of words; none where it did not. */
function heldWords(run, styles, row, time) {
  const at = run.held.at(row, time);
  return at < 0 ? [] : [[styles.held.label, durationText(run.held.end[at] - run.held.start[at])]];
}
