// The state of a run as packed by the kernel: columns of numbers, and searches in them.
//
// Belongs here: numbers. Does not belong here: pixels (paint.js) and controls (timeline.js).
// sources.py joins the files of this folder to one module, in the order of SCRIPTS.

const NOT_MEASURED = 0xffff, MAX_SHARE = 0xfffe, SLIM = 8, PAUSE = 16, RUNNING = 32, OWN = 64, STATUS = 7;
const KINDS = ["cpu", "wait", "gil", "core", "blocked", "pause", "unknown", "busy"];  // of parts, by their codes
const [CPU, WAIT, , , BLOCKED, PAUSED, UNKNOWN, BUSY] = KINDS.keys();  // busy: not even the share of CPU is known
const PART_NOT_MEASURED = 0xff, MAX_PART_SHARE = 0xfe;
const NONE = Object.assign(() => 0, { count: 0 });  // stands in for a column that was not sent
const TYPES = {
  u1: [Uint8Array, 1], u2: [Uint16Array, 2], u4: [Uint32Array, 4], i4: [Int32Array, 4],
  f4: [Float32Array, 4], f8: [Float64Array, 8],
};

/** The columns of a run, its rows, and its texts. */
class Run {
  constructor(packed, styles) {
    Object.assign(this, packed);
    this.styles = styles;
    this.count = packed.count || 0;
    this.lanes = (packed.rows || []).map((row, at) => ({ height: 1, heading: false, lane: row.heading ? "" : row.text, ...row, at }));
    this.labels = packed.labels || [];
    this.nodes = packed.nodes || [];
    this.lines = packed.lines || [];
    this.errors = packed.errors || {};
    this.extent = packed.extent_s || 0;
    this.columns = {};
    const bytes = packed.data && packed.data.buffer ? packed.data : new DataView(new ArrayBuffer(0));
    for (const [name, place] of Object.entries(packed.columns || {})) this.columns[name] = readColumn(bytes, place);
    this.lanes.forEach((row, at) => { row.last = at + 1 < this.lanes.length ? this.lanes[at + 1].first : this.count; });
    this.bands = (packed.bands || []).map(([from, to, text]) => (
      { isBand: true, from, to, text, lane: "", height: 1, heading: false, first: this.lanes[from].first, last: this.lanes[to - 1].last }));
    this.arrange(new Set());
    this.times();
    this.around = new Stretches(this, "around");
    this.held = new Stretches(this, "held");
    this.failed = this.places((at) => this.isFailed(at));
    this.hasQueued = this.lanes.some((row) => {
      for (let at = row.first; at < row.last; at++) if (this.queuedFrom(at, row) < this.start[at]) return true;
      return false;
    });
  }

  /** Show the rows of the bands with these names, and of the others only the bands. */
  arrange(open) {
    this.open = open;
    this.rows = arranged(this.lanes, this.bands, open);
  }

  /** Convert ticks to seconds, for pieces and for their parts. */
  times() {
    const { start, length } = this.columns, count = this.count;
    this.start = new Float64Array(count);
    this.end = new Float64Array(count);
    for (let at = 0; at < count; at++) {
      this.start[at] = start(at) * this.tick_s;
      this.end[at] = this.start[at] + length(at);
    }
    this.takeParts();
    this.sumUp();
  }

  /** The parts of all pieces, one after the other: those of a piece from firstPart[at] to before firstPart[at + 1]. */
  takeParts() {
    const { noted = NONE, noted_first: first, part_kind: kind = NONE, part_end: end, part_share: share } = this.columns;
    const count = this.count;
    const most = 2 * count + kind.count;
    this.firstPart = new Uint32Array(count + 1);
    this.partEnd = new Float64Array(most);
    this.partKind = new Uint8Array(most);
    this.partShare = new Float32Array(most);  // of CPU; -1 where it was not measured
    this.parts = 0;
    for (let at = 0, next = 0; at < count; at++) {
      if (next >= noted.count || noted(next) !== at) this.derive(at);
      else {
        const last = next + 1 < noted.count ? first(next + 1) : kind.count;
        for (let from = first(next++); from < last; from++) {
          const until = from + 1 < last ? Math.min(end(from) * this.tick_s, this.end[at]) : this.end[at];
          this.addPart(kind(from), until, share(from) === PART_NOT_MEASURED ? -1 : share(from) / MAX_PART_SHARE);
        }
      }
      this.firstPart[at + 1] = this.parts;
    }
  }

  addPart(kind, end, share) {
    this.partKind[this.parts] = share < 0 ? BUSY : kind;
    this.partEnd[this.parts] = end;
    this.partShare[this.parts++] = share;
  }

  /** The parts of a piece of which only sums are known: computed like derived_parts in parts.py. */
  derive(at) {
    const { cpu, blocked } = this.columns, time = this.end[at] - this.start[at];
    if (this.isPause(at)) { this.addPart(PAUSED, this.end[at], 0); return; }
    const held = Math.min(time, (time * blocked(at)) / MAX_SHARE), rest = time - held;
    const isKnown = cpu(at) !== NOT_MEASURED, share = isKnown ? Math.min(1, (time * cpu(at)) / MAX_SHARE / (rest || 1)) : -1;
    if (rest > 0 || !held) this.addPart(share > 0.9999 ? CPU : share === 0 ? WAIT : UNKNOWN, this.end[at] - held, share);
    if (held > 0) this.addPart(BLOCKED, this.end[at], 0);
  }

  /** Sum up each kind that occurs up to each part, for exact shares of a pixel: of what is not known when, the share of
   * CPU counts as CPU and the rest as waiting. */
  sumUp() {
    const seen = new Uint8Array(KINDS.length), place = new Int8Array(KINDS.length);
    for (let at = 0, part = 0; at < this.count; at++) {
      for (let from = this.start[at]; part < this.firstPart[at + 1]; from = this.partEnd[part++]) if (this.partEnd[part] > from) seen[this.partKind[part]] = 1;
    }
    this.kinds = KINDS.filter((_, code) => seen[code]);
    if (seen[UNKNOWN]) seen[CPU] = seen[WAIT] = 1;
    seen[UNKNOWN] = 0;
    this.names = Object.keys(this.styles.parts).filter((name) => seen[KINDS.indexOf(name)]);  // from the bottom of a bar
    this.names.forEach((name, at) => { place[KINDS.indexOf(name)] = at; });
    this.sums = this.names.map(() => new Float64Array(this.parts + 1));
    this.found = new Float64Array(this.names.length);
    for (let at = 0, part = 0; at < this.count; at++) {
      let from = this.start[at];
      for (; part < this.firstPart[at + 1]; part++) {
        const time = this.partEnd[part] - from, kind = this.partKind[part], cpu = kind === UNKNOWN ? this.partShare[part] * time : 0;
        for (const sums of this.sums) sums[part + 1] = sums[part];
        from = this.partEnd[part];
        if (time <= 0) continue;
        if (cpu > 0) this.sums[place[CPU]][part + 1] += cpu;
        this.sums[place[kind === UNKNOWN ? WAIT : kind]][part + 1] += time - cpu;
      }
    }
  }

  /** The part of a piece at a time: its first one that ends later, or its last one. */
  partAt(at, time) {
    let low = this.firstPart[at], high = this.firstPart[at + 1] - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.partEnd[middle] > time) high = middle; else low = middle + 1;
    }
    return low;
  }

  partStart(at, part) { return part > this.firstPart[at] ? this.partEnd[part - 1] : this.start[at]; }

  /** Seconds of each kind in some parts, in the order of `names`. */
  sumOf(first, last) {
    for (let name = 0; name < this.sums.length; name++) this.found[name] = this.sums[name][last] - this.sums[name][first];
    return this.found;
  }

  /** Seconds of each kind in a piece, by the rule of span_facts.py: waiting is what is neither CPU nor named. */
  totals(at) {
    const found = {}, seconds = this.sumOf(this.firstPart[at], this.firstPart[at + 1]);
    this.names.forEach((name, place) => { found[name] = seconds[place]; });
    found.unknown = 0;
    for (let part = this.firstPart[at]; part < this.firstPart[at + 1]; part++) {
      if (this.partKind[part] === UNKNOWN || this.partKind[part] === BUSY) found.unknown += this.partEnd[part] - this.partStart(at, part);
    }
    const time = this.end[at] - this.start[at], cpu = this.columns.cpu(at);
    if (cpu === NOT_MEASURED) return { ...found, cpu: null, wait: null };
    found.cpu = (time * cpu) / MAX_SHARE;
    const others = ["gil", "core", "blocked", "pause"].reduce((sum, name) => sum + (found[name] || 0), 0);
    return { ...found, wait: Math.max(0, time - found.cpu - others) };
  }

  /** The time since which a piece was queued while its row was free; gaps below the rounding error count as none. */
  queuedFrom(at, row) {
    const from = Math.max(this.start[at] - this.columns.queued(at), at > row.first ? this.end[at - 1] : 0);
    return this.start[at] - from > 3e-7 * this.extent ? from : this.start[at];
  }

  status(at) { return this.isPause(at) ? 0 : this.columns.flags(at) & STATUS; }
  isPause(at) { return (this.columns.flags(at) & PAUSE) !== 0; }
  isRunning(at) { return (this.columns.flags(at) & RUNNING) !== 0; }
  isOwn(at) { return (this.columns.flags(at) & OWN) !== 0; }  // what a branch around others did by itself
  isSlim(at) { return (this.columns.flags(at) & (SLIM | PAUSE)) !== 0; }
  isInner(at) { return (this.columns.flags(at) & SLIM) !== 0; }  // prep or post
  isFailed(at) { return this.styles.statuses[this.status(at)].hatch !== ""; }
  id(at) { return this.columns.id(at); }
  label(at) { return this.labels[this.columns.label(at)]; }
  node(at) { const [, node] = this.label(at); return node < 0 ? null : this.nodes[node]; }

  /** The name of a bar: with the number of its item, and for prep and post with the phase. */
  name(at) {
    const [text, , phase, isNumbered, label] = this.label(at), item = this.columns.item(at);
    if (phase) return `${text}: ${phase}`;
    if (label) return `${text}(${label})`;
    return isNumbered && item >= 0 ? `${text} ${item}` : text;
  }

  /** The shortest name of a bar: the number of its item, or what else tells it from others; empty where nothing does. */
  brief(at) {
    const [, , phase, isNumbered, label] = this.label(at), item = this.columns.item(at);
    if (phase) return "";
    return label || (isNumbered && item >= 0 ? String(item) : "");
  }

  /** The place of the row of a piece: among those that are shown, where it may be a band, or among all. */
  rowOf(at, rows = this.rows) {
    let low = 0, high = rows.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (rows[middle].first <= at) low = middle; else high = middle - 1;
    }
    return low;
  }

  laneOf(at) { return this.rowOf(at, this.lanes); }

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

  /** Seconds of each kind, in the order of `names`, in a stretch of a row: from piece `first` to before piece `last`,
   * and what of `last` lies in it. */
  within(row, from, to, first, last) {
    const isCut = last < row.last && this.start[last] < to;
    const head = this.partAt(first, from), tail = isCut ? this.partAt(last, to) : this.firstPart[last];
    const before = this.shareBefore(first, head, from), after = isCut ? this.shareBefore(last, tail, to) : 0;
    for (let name = 0; name < this.sums.length; name++) {
      const sums = this.sums[name], cut = before && before * (sums[head + 1] - sums[head]);
      this.found[name] = Math.max(0, sums[tail] - sums[head] - cut + (after && after * (sums[tail + 1] - sums[tail])));
    }
    return this.found;
  }

  /** The share of a part that lies before a time. */
  shareBefore(at, part, time) {
    const from = this.partStart(at, part);
    return Math.min(1, Math.max(0, (time - from) / (this.partEnd[part] - from || 1)));
  }

  /** The positions of all pieces that fulfil a condition, as a sorted array. */
  places(holds) {
    const found = [];
    for (let at = 0; at < this.count; at++) if (holds(at)) found.push(at);
    return Uint32Array.from(found);
  }

  /** The positions of all pieces of a span. */
  piecesOf(id) { return id === null || id === undefined ? [] : Array.from(this.places((at) => this.id(at) === id)); }

  /** The positions of the pieces whose name, worker, status or error contains a text; each label is tested once. */
  search(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return null;
    const has = (one) => one.toLowerCase().includes(wanted);
    const inLabel = this.labels.map(([name, , phase, , label]) => has(phase ? `${name}: ${phase}` : label ? `${name}(${label})` : name));
    const inStatus = this.styles.statuses.map((status) => has(status.label) || status.key === wanted);
    const inRow = this.lanes.map((row) => row.lane !== "" && has(row.lane));
    const inRetries = "retry".startsWith(wanted) && wanted.length > 2;
    const withError = new Set(Object.keys(this.errors).filter((at) => has(this.errors[at])).map(Number));
    const isNumber = /\d$/.test(wanted);
    const { label, tries } = this.columns;
    let row = 0;
    return this.places((at) => {
      while (row + 1 < this.lanes.length && this.lanes[row + 1].first <= at) row++;
      if (this.isPause(at)) return inRetries;
      return inLabel[label(at)] || inStatus[this.status(at)] || inRow[row] || withError.has(at)
        || (inRetries && tries(at) > 1) || (isNumber && has(this.name(at)));
    });
  }
}

/** A column as a function of the position, with its length: of bytes, or of one value for all positions. */
function readColumn(bytes, { value, type, offset, count }) {
  if (type === undefined) return Object.assign(() => value, { count });
  const [Type, size] = TYPES[type];
  let from = bytes.byteOffset + offset, buffer = bytes.buffer;
  if (from % size) { buffer = buffer.slice(from, from + count * size); from = 0; }
  const values = new Type(buffer, from, count);
  return Object.assign((at) => values[at], { count });
}

/** The first position in a sorted array whose value is at least `wanted`. */
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
