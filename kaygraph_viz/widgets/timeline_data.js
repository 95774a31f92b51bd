// The state of a run as the kernel packed it: columns of numbers, and finding things in them.
//
// Belongs here: numbers. Does not belong here: pixels (timeline_paint.js) and controls (timeline.js).
// The files timeline*.js are put together to one module; see timeline.py.

const NOT_MEASURED = 0xffff, MOST_SHARE = 0xfffe, SLIM = 8, PAUSE = 16, RUNNING = 32, STATUS = 7;
const PARTS = ["cpu", "busy", "waiting", "blocked", "pause"];
const TYPES = {
  u1: [Uint8Array, 1], u2: [Uint16Array, 2], u4: [Uint32Array, 4], i4: [Int32Array, 4],
  f4: [Float32Array, 4], f8: [Float64Array, 8],
};

/** The columns of a run, its rows, and its texts. */
class Run {
  constructor(packed, look) {
    Object.assign(this, packed);
    this.look = look;
    this.count = packed.count || 0;
    this.rows = packed.rows || [];
    this.labels = packed.labels || [];
    this.nodes = packed.nodes || [];
    this.lines = packed.lines || [];
    this.errors = packed.errors || {};
    this.extent = packed.extent_s || 0;
    this.columns = {};
    const bytes = packed.data && packed.data.buffer ? packed.data : new DataView(new ArrayBuffer(0));
    for (const [name, place] of Object.entries(packed.columns || {})) this.columns[name] = readColumn(bytes, place, this.count);
    this.rows.forEach((row, at) => { row.last = at + 1 < this.rows.length ? this.rows[at + 1].first : this.count; });
    this.times();
    this.failed = this.places((at) => this.isFailed(at));
    this.hasQueued = this.rows.some((row) => {
      for (let at = row.first; at < row.last; at++) if (this.queuedFrom(at, row) < this.start[at]) return true;
      return false;
    });
  }

  /** Turn ticks into seconds, and sum up each part of the time up to each piece, for exact shares of a pixel. */
  times() {
    const { start, length, cpu, blocked, look } = this.columns, count = this.count, tick = this.tick_s;
    this.start = new Float64Array(count);
    this.end = new Float64Array(count);
    const sums = this.sums = Object.fromEntries(PARTS.map((part) => [part, new Float64Array(count + 1)]));
    this.found = new Float64Array(PARTS.length);
    for (let at = 0; at < count; at++) {
      const from = start(at) * tick, time = length(at);
      this.start[at] = from;
      this.end[at] = from + time;
      const isPause = look(at) & PAUSE, isKnown = cpu(at) !== NOT_MEASURED;
      const cpuTime = isPause || !isKnown ? 0 : (time * cpu(at)) / MOST_SHARE;
      const blockedTime = isPause ? 0 : Math.min(time - cpuTime, (time * blocked(at)) / MOST_SHARE);
      const rest = Math.max(0, time - cpuTime - blockedTime);
      sums.cpu[at + 1] = sums.cpu[at] + cpuTime;
      sums.blocked[at + 1] = sums.blocked[at] + blockedTime;
      sums.busy[at + 1] = sums.busy[at] + (isPause || isKnown ? 0 : rest);
      sums.waiting[at + 1] = sums.waiting[at] + (isPause || !isKnown ? 0 : rest);
      sums.pause[at + 1] = sums.pause[at] + (isPause ? time : 0);
    }
  }

  /** The parts of a piece, in the order in which they are drawn: [part, seconds]. */
  parts(at) {
    return PARTS.map((part) => [part, this.sums[part][at + 1] - this.sums[part][at]]);
  }

  /** Since when a piece was in the queue while its row was free; what rounding leaves between two pieces is no time. */
  queuedFrom(at, row) {
    const from = Math.max(this.start[at] - this.columns.queued(at), at > row.first ? this.end[at - 1] : 0);
    return this.start[at] - from > 3e-7 * this.extent ? from : this.start[at];
  }

  status(at) { return this.isPause(at) ? 0 : this.columns.look(at) & STATUS; }
  isPause(at) { return (this.columns.look(at) & PAUSE) !== 0; }
  isRunning(at) { return (this.columns.look(at) & RUNNING) !== 0; }
  isSlim(at) { return (this.columns.look(at) & (SLIM | PAUSE)) !== 0; }
  isFailed(at) { return this.look.statuses[this.status(at)].hatch !== ""; }
  id(at) { return this.columns.id(at); }
  label(at) { return this.labels[this.columns.label(at)]; }
  node(at) { const [, node] = this.label(at); return node < 0 ? null : this.nodes[node]; }

  /** The name of a bar: with the number of its item, and for prep and post with the phase. */
  name(at) {
    const [text, , phase, isNumbered] = this.label(at), item = this.columns.item(at);
    if (phase) return `${text}: ${phase}`;
    return isNumbered && item >= 0 ? `${text} ${item}` : text;
  }

  rowOf(at) {
    let low = 0, high = this.rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.rows[middle].first <= at) low = middle; else high = middle - 1;
    }
    return low;
  }

  /** The first piece of a row, from `low` on, that ends after a time: in growing steps, then by halving. */
  firstAfter(row, time, low = row.first) {
    let high = low, step = 1;
    while (high < row.last && this.end[high] <= time) { low = high + 1; high += step; step *= 2; }
    high = Math.min(high, row.last);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.end[middle] > time) high = middle; else low = middle + 1;
    }
    return low;
  }

  /** The piece of a row at a time, or else the nearest one within `reach` seconds; -1 for none. */
  pieceAt(row, time, reach) {
    const at = this.firstAfter(row, time);
    const near = [at - 1, at].filter((one) => one >= row.first && one < row.last);
    const away = (one) => Math.max(0, this.start[one] - time, time - this.end[one]);
    near.sort((one, other) => away(one) - away(other));
    return near.length && away(near[0]) <= reach ? near[0] : -1;
  }

  /** Seconds of each part, in the order of PARTS, in a stretch of a row: from piece `first` to before piece `last`, and
   * what of `last` lies in it. */
  within(row, from, to, first, last) {
    const share = (at, time) => Math.min(1, Math.max(0, (time - this.start[at]) / (this.end[at] - this.start[at] || 1)));
    const [head, tail] = [share(first, from), last < row.last ? share(last, to) : 0], found = this.found;
    for (let part = 0; part < PARTS.length; part++) {
      const sums = this.sums[PARTS[part]], cut = head && head * (sums[first + 1] - sums[first]);
      found[part] = Math.max(0, sums[last] - sums[first] - cut + (tail && tail * (sums[last + 1] - sums[last])));
    }
    return found;
  }

  /** The places of all pieces for which something holds, as a sorted array. */
  places(holds) {
    const found = [];
    for (let at = 0; at < this.count; at++) if (holds(at)) found.push(at);
    return Uint32Array.from(found);
  }

  /** The places of all pieces of a span. */
  piecesOf(id) { return id === null || id === undefined ? [] : Array.from(this.places((at) => this.id(at) === id)); }

  /** The places of the pieces whose name, worker, status or error contains a text; each label is looked at once. */
  search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return null;
    const has = (one) => one.toLowerCase().includes(wanted);
    const inLabel = this.labels.map(([name, , phase]) => has(phase ? `${name}: ${phase}` : name));
    const inStatus = this.look.statuses.map((status) => has(status.label) || status.key === wanted);
    const inRow = this.rows.map((row) => row.lane !== "" && has(row.lane));
    const inRetries = "retry".startsWith(wanted) && wanted.length > 2;
    const withError = new Set(Object.keys(this.errors).filter((at) => has(this.errors[at])).map(Number));
    const isNumber = /\d$/.test(wanted);
    const { label, tries } = this.columns;
    let row = 0;
    return this.places((at) => {
      while (row + 1 < this.rows.length && this.rows[row + 1].first <= at) row++;
      if (this.isPause(at)) return inRetries;
      return inLabel[label(at)] || inStatus[this.status(at)] || inRow[row] || withError.has(at)
        || (inRetries && tries(at) > 1) || (isNumber && has(this.name(at)));
    });
  }
}

/** A column as a function of the place: of bytes, or of one value that is the same everywhere. */
function readColumn(bytes, place, count) {
  if ("value" in place) return () => place.value;
  const [Type, size] = TYPES[place.type];
  let offset = bytes.byteOffset + place.offset, buffer = bytes.buffer;
  if (offset % size) { buffer = buffer.slice(offset, offset + count * size); offset = 0; }
  const values = new Type(buffer, offset, count);
  return (at) => values[at];
}

/** The first place in a sorted array whose value is at least `wanted`. */
function lowerBound(sorted, wanted) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < wanted) low = middle + 1; else high = middle;
  }
  return low;
}

/** A duration with a unit that fits it, with three significant digits, as the tables write it. */
function durationText(seconds) {
  const size = Math.abs(seconds);
  if (size < 5e-10) return "0 s";
  const [unit, scale] = size >= 0.09995 ? ["s", 1] : size >= 0.9995e-3 ? ["ms", 1e-3] : size >= 0.9995e-6 ? ["µs", 1e-6] : ["ns", 1e-9];
  const value = seconds / scale;
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(Number(value.toPrecision(3))))));
  return `${value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`;
}
