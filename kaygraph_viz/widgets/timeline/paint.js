// Drawing a run on a canvas: only what is in view; bars narrower than a pixel are drawn as shares of the pixel.
//
// Belongs here: pixels of the chart. Does not belong here: what is in view (timeline.js), the diagram
// (diagram.js), hatches and marks (hatches.js). Texts are drawn with fillText, so that
// markup in names is never run.

const AXIS = 34, TOP = 6, RIGHT = 12, ROW = 25, LEAST_ROW = 13, NODE_LEVEL = 16, FONT = "system-ui, sans-serif";
const LEAST_WIDTH = 3;  // pixels of a bar that shows its parts
const NARROW = 1.5, STACK = 6, FEWEST = 8;  // pixels of a part that is not drawn alone; of several drawn as one, and how many
const STEPS = [1, 2, 2.5, 5, 10];

/** Draws the part of a run that the view names, with its highlights. */
class Painter {
  constructor(canvas, styles) {
    this.canvas = canvas;
    this.styles = styles;
    this.pen = canvas.getContext("2d");
    this.widths = new Map();
    this.patterns = new Map();
  }

  /** Read the colours of the page: light or dark. */
  setTheme() {
    const style = getComputedStyle(this.canvas);
    const read = (name, fallback) => style.getPropertyValue(name).trim() || fallback;
    this.ink = read("--kv-ink", this.styles.text);
    this.muted = read("--kv-muted", this.styles.muted);
    this.grid = read("--kv-grid", "#e3e7ea");
    this.paper = read("--kv-paper", this.styles.paper);
    this.patterns.clear();
    this.isThemed = this.canvas.isConnected;  // a canvas that is not in the page has no CSS variables
  }

  pattern(hatch, colour) {
    const key = hatch + colour;
    if (!this.patterns.has(key)) this.patterns.set(key, hatchPattern(this.pen, hatch, colour));
    return this.patterns.get(key);
  }

  width(text, font) {
    const key = font + text;
    if (this.widths.size > 5000) this.widths.clear();
    if (!this.widths.has(key)) { this.pen.font = font; this.widths.set(key, this.pen.measureText(text).width); }
    return this.widths.get(key);
  }

  /** A text cut to a width; empty where not even three letters fit. */
  fit(text, room, font) {
    if (this.width(text, font) <= room) return text;
    let low = 0, high = Math.min(text.length, 100);
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.width(text.slice(0, middle) + "…", font) <= room) low = middle; else high = middle - 1;
    }
    return low > 2 ? text.slice(0, low) + "…" : "";
  }

  /** The layout: heights of rows from the top, the room for names at the left. */
  layout(run, width, mostHeight) {
    const font = `12px ${FONT}`;
    const names = run.rows.slice(0, 2000).map((row) => this.width(this.rowText(run, row), row.heading ? `bold ${font}` : font));
    const left = Math.min(Math.max(60, ...names) + 16, width * 0.3);
    const total = run.rows.reduce((sum, row) => sum + row.height, 0) || 1;
    const unit = Math.min(ROW, Math.max(LEAST_ROW, (mostHeight - AXIS - TOP) / total));
    const tops = [];
    let y = 0;
    for (const row of run.rows) { tops.push(y); y += row.height * unit; }
    const height = Math.min(Math.max(y, 2 * ROW), mostHeight - AXIS - TOP);
    return { left, right: width - RIGHT, unit, tops, content: y, height, width, whole: height + AXIS + TOP };
  }

  /** Draw all, and return how many rectangles that took. */
  draw(run, place, view) {
    if (!this.isThemed) this.setTheme();
    const { canvas, pen } = this, scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(place.width * scale), Math.round(place.whole * scale)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
      canvas.style.height = `${place.whole}px`;
      this.patterns.clear();
    }
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = this.paper;
    pen.fillRect(0, 0, place.width, place.whole);
    this.x = (time) => place.left + ((time - view.from) / (view.to - view.from)) * (place.right - place.left);
    this.perPixel = (view.to - view.from) / (place.right - place.left);
    this.rgb = run.names.map((name) => [1, 3, 5].map((at) => parseInt(this.styles.parts[name].colour.slice(at, at + 2), 16)));
    this.drawn = 0;
    this.isStacked = false;
    this.drawAxis(place, view);
    pen.save();
    pen.beginPath();
    pen.rect(0, TOP, place.width, place.height);
    pen.clip();
    this.drawNames(run, place, view);
    pen.beginPath();
    pen.rect(place.left, TOP, place.right - place.left, place.height);
    pen.clip();
    const boxes = [], lanes = [];
    run.rows.forEach((row, at) => {
      const y = this.top(place, view, at), height = row.height * place.unit, middle = y + height / 2;
      if (y + height < TOP || y > TOP + place.height) return;
      if (row.heading) this.drawNodes(run, row.at, y, height, place);
      else if (row.isBand) drawBand(this, run, row, middle, place, view);
      else lanes.push([row, middle]);
    });
    for (const lane of lanes) { drawAround(this, run, ...lane, place, view); this.drawRow(run, ...lane, place, view, boxes); }
    this.drawBoxes(run, boxes, place, view);
    for (const lane of lanes) drawHeld(this, run, ...lane, place, view);
    pen.restore();
    this.drawCaption(run, place);
    if (place.content > place.height) this.drawScroll(place, view);
    return this.drawn;
  }

  top(place, view, row) { return TOP + place.tops[row] - view.scroll; }

  /** The name of a row; a band can be opened, or is open. */
  rowText(run, row) { return row.isBand ? `${run.open.has(row.text) ? "▾" : "▸"} ${row.text}` : row.text; }

  drawNames(run, place, view) {
    const { pen } = this;
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    run.rows.forEach((row, at) => {
      const y = this.top(place, view, at), height = row.height * place.unit;
      if (y + height < TOP || y > TOP + place.height) return;
      if (!row.heading) {
        pen.fillStyle = this.grid;
        pen.fillRect(place.left, y + height - 0.5, place.right - place.left, 0.5);
      }
      pen.fillStyle = this.ink;
      pen.font = `${row.heading ? "bold " : ""}${Math.min(12, height - 1)}px ${FONT}`;
      pen.fillText(this.fit(this.rowText(run, row), place.left - 12, pen.font), place.left - 8, y + height / 2);
    });
  }

  drawNodes(run, row, y, height, place) {
    const { pen } = this, lines = run.lines.filter((line) => line[0] === row);
    const levels = 1 + Math.max(0, ...lines.map((line) => line[1]));
    pen.textAlign = "center";
    pen.textBaseline = "alphabetic";
    pen.font = `11px ${FONT}`;
    for (const [, level, from, to, label] of lines) {
      const bottom = y + (height / levels) * (level + 1) - 3;
      const x0 = Math.max(this.x(from) + 1, place.left), x1 = Math.min(this.x(to) - 1, place.right);
      if (x1 <= x0) continue;
      pen.fillStyle = this.muted;
      pen.fillRect(x0, bottom, Math.max(1, x1 - x0), 1.6);
      const text = this.fit(label, x1 - x0 - 4, pen.font);
      if (text) pen.fillText(text, (x0 + x1) / 2, bottom - 2.5);
      this.drawn++;
    }
  }

  /** Collect the bars of a row that are wide enough to show their parts; draw the others as shares of their pixels. */
  drawRow(run, row, middle, place, view, boxes) {
    const wide = Math.ceil(place.right - place.left), { perPixel } = this;
    const strip = this.clearStrip(wide), least = LEAST_WIDTH * perPixel;
    let at = run.firstAfter(row, view.from), pixel = 0, isUsed = false;
    while (at < row.last && run.queuedFrom(at, row) < view.to) {
      if (run.end[at] - run.start[at] >= least || row.last - row.first < 3) { boxes.push([at++, middle, row]); continue; }
      pixel = Math.max(pixel, Math.floor((run.start[at] - view.from) / perPixel));
      if (pixel >= wide) break;
      const from = view.from + pixel * perPixel, next = run.firstAfter(row, from + perPixel, at);
      const first = at > row.first && run.end[at - 1] > from ? at - 1 : at;
      isUsed = this.putShare(strip.data, pixel++, run.within(row, from, from + perPixel, first, next), perPixel) || isUsed;
      at = next;
    }
    if (!isUsed) return;
    const { pen } = this, tall = place.unit * this.styles.full;
    this.strip.putImageData(strip, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.globalAlpha = view.marked ? 0.3 : 1;
    pen.drawImage(this.strip.canvas, 0, 0, wide, 1, place.left, middle - tall / 2, wide, tall);
    pen.globalAlpha = 1;
  }

  /** A row of clear pixels to put shares into. */
  clearStrip(wide) {
    if (!this.strip || this.strip.canvas.width !== wide) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [wide, 1];
      this.strip = canvas.getContext("2d");
      this.pixels = this.strip.createImageData(wide, 1);
    }
    this.pixels.data.fill(0);
    return this.pixels;
  }

  /** Put the mean colour of what is in a pixel, as dense as it is busy: on white paper, as in the static picture. */
  putShare(data, pixel, seconds, whole) {
    let red = 0, green = 0, blue = 0, busy = 0;
    for (let name = 0; name < seconds.length; name++) {
      const time = seconds[name], colour = this.rgb[name];
      busy += time;
      red += time * colour[0];
      green += time * colour[1];
      blue += time * colour[2];
    }
    if (busy <= 0) return false;
    data.set([red / busy, green / busy, blue / busy, Math.max(24, Math.min(255, (255 * busy) / whole))], 4 * pixel);
    this.drawn++;
    return true;
  }

  /** Draw bars by colour, then hatches, outlines, what is highlighted, and words. */
  drawBoxes(run, boxes, place, view) {
    const { pen, styles } = this, fills = new Map(), hatches = new Map(), outlines = [], words = [];
    const put = (to, key, rect) => { if (!to.has(key)) to.set(key, []); to.get(key).push(rect); };
    const putPart = (name, rect) => { put(fills, name, rect); if (styles.parts[name].hatch) put(hatches, styles.parts[name], rect); };
    const cut = (time) => Math.min(place.right + 4, Math.max(place.left - 4, this.x(time)));
    for (const [at, middle, row] of boxes) {
      const tall = place.unit * (run.isSlim(at) ? styles.slim : styles.full), y = middle - tall / 2;
      const queued = run.queuedFrom(at, row);
      if (queued < run.start[at]) {
        const thin = Math.max(2, place.unit * styles.queue);
        putPart("queued", [cut(queued), middle - thin / 2, cut(run.start[at]) - cut(queued), thin]);
      }
      this.putParts(run, at, middle, place, view, putPart);
      const x0 = cut(run.start[at]), wide = Math.max(1, cut(run.end[at]) - x0);
      if (run.isFailed(at)) put(hatches, styles.statuses[run.status(at)], [x0, y, wide, tall]);
      outlines.push([x0, y, wide, tall, at]);
      if (wide > 14 && !run.isPause(at) && !run.isSlim(at)) words.push([x0, wide, middle, at]);
      else if (run.isFailed(at)) words.push([x0, wide, middle, at]);
    }
    for (const name of Object.keys(styles.parts)) {
      pen.fillStyle = styles.parts[name].colour;
      for (const rect of fills.get(name) || []) { pen.fillRect(...rect); this.drawn++; }
    }
    for (const [fill, rects] of hatches) {
      pen.fillStyle = this.pattern(fill.hatch, fill.line);
      for (const rect of rects) pen.fillRect(...rect);
    }
    pen.strokeStyle = styles.bar;
    for (const [thickness, least, most] of [[0.35, LEAST_WIDTH, 8], [0.8, 8, Infinity]]) {  // thin beside narrow bars
      pen.lineWidth = thickness;
      pen.beginPath();
      for (const [x, y, wide, tall] of outlines) if (wide >= least && wide < most) pen.rect(x, y, wide, tall);
      pen.stroke();
    }
    if (view.marked) this.fade(run, outlines, view);
    this.drawWords(run, words, place);
    this.drawFailed(run, place, view);
    if (view.marked) this.drawMarked(run, place, view);
    this.drawSelected(run, place, view);
  }

  /** Put the parts of a piece that are in view where they happened. Narrow ones would make stripes that are not there:
   * they are put together with their neighbours, always from the first part on, so that nothing flickers on the move. */
  putParts(run, at, middle, place, view, put) {
    const cell = STACK * this.perPixel, narrow = NARROW * this.perPixel, last = run.firstPart[at + 1], ends = run.partEnd;
    let part = run.firstPart[at], from = run.start[at];
    while (part < last && from < view.to) {
      const first = part++, isEnough = () => part - first >= FEWEST && ends[part - 1] - from >= cell;
      const beside = part < last && ends[first] - from < 2 * narrow && ends[part] - ends[first] < narrow;
      if (beside || ends[first] - from < narrow) while (part < last && ends[part] - ends[part - 1] < cell && !isEnough()) part++;
      if (ends[part - 1] <= view.from) { from = ends[part - 1]; continue; }
      const until = ends[part - 1], kind = KINDS[run.partKind[first]];
      const [x0, x1] = [this.edge(from, place), this.edge(until, place)];
      this.isStacked = this.isStacked || (part - first > 1 && x1 - x0 >= LEAST_WIDTH);
      if (part - first === 1 && kind !== "unknown") {
        const tall = place.unit * (kind === "pause" || run.isInner(at) ? this.styles.slim : this.styles.full);
        if (x1 > x0) put(kind, [x0, middle - tall / 2, x1 - x0, tall]);
      } else if (x1 > x0) this.putStack(run, at, run.sumOf(first, part), [x0, middle, x1 - x0], place, put);
      from = until;
    }
  }

  /** Put kinds on top of each other, as high as their shares of the time. */
  putStack(run, at, seconds, [x, middle, wide], place, put) {
    const tall = place.unit * (run.isInner(at) ? this.styles.slim : this.styles.full);
    const time = seconds.reduce((sum, one) => sum + one, 0) || 1;
    let bottom = middle + tall / 2;
    run.names.forEach((name, number) => {
      const high = (tall * seconds[number]) / time;
      if (high > 0) put(name, [x, bottom - high, wide, high]);
      bottom -= high;
    });
  }

  /** Where a part begins or ends: between two pixels of the screen, so that no paper shines through between parts. */
  edge(time, place) {
    const scale = window.devicePixelRatio || 1;
    return Math.round(Math.min(place.right + 4, Math.max(place.left - 4, this.x(time))) * scale) / scale;
  }

  fade(run, outlines, view) {
    const { pen } = this;
    pen.globalAlpha = 0.72;
    pen.fillStyle = this.paper;
    for (const [x, y, wide, tall, at] of outlines) if (!view.isMarked(at)) pen.fillRect(x - 1, y - 1, wide + 2, tall + 2);
    pen.globalAlpha = 1;
  }

  drawWords(run, words, place) {
    const { pen, styles } = this, size = Math.min(11, place.unit * styles.full - 4);
    this.said = new Set();
    if (size < 7) return;
    const font = `${size}px ${FONT}`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    for (const [x0, wide, middle, at] of words) {
      const status = styles.statuses[run.status(at)], isFailed = run.isFailed(at);
      const left = Math.max(x0, place.left), room = Math.min(x0 + wide, place.right) - left - 6;
      const tries = run.columns.tries(at), name = run.name(at);
      const marks = [...(isFailed ? [status.label] : []), ...(tries > 1 ? [`try ${run.columns.attempt(at)}`] : [])].join(", ");
      const short = run.brief(at) ? [run.brief(at)] : [];
      const all = marks ? [`${name}: ${marks}`, marks, ...(isFailed ? [] : [name, ...short])] : [name, ...short];
      const [from, until] = isFailed ? [left, left + room + 6] : this.plainRoom(run, at, left, left + room + 6);
      const isPlain = !isFailed && this.width(all[0], font) <= until - from - 6;
      let text = isPlain ? all[0] : all.find((one) => this.width(one, font) <= room) || "";
      if (!text && !isFailed) text = this.fit(name, room, font);
      if (!text) continue;
      const centre = isPlain ? (from + until) / 2 : left + 3 + room / 2, half = this.width(text, font) / 2;
      pen.font = font;
      if (isFailed || (until - from < room && !isPlain)) {
        pen.fillStyle = "rgba(255,255,255,0.88)";
        pen.fillRect(centre - half - 2, middle - size / 2 - 1, 2 * half + 4, size + 2);
      }
      pen.fillStyle = styles.text;
      pen.fillText(text, centre, middle + 0.5);
      this.said.add(at);
    }
  }

  /** The longest stretch of a piece between two pixels without a hatched part: a word is readable there. */
  plainRoom(run, at, left, right) {
    let best = [left, left], from = left;
    const until = (x) => { if (x - from > best[1] - best[0]) best = [from, x]; };
    for (let part = run.firstPart[at]; part < run.firstPart[at + 1] && from < right; part++) {
      if (!this.styles.parts[KINDS[run.partKind[part]]].hatch) continue;
      until(Math.min(right, this.x(run.partStart(at, part))));
      from = Math.max(from, this.x(run.partEnd[part]));
    }
    until(right);
    return best;
  }

  /** Mark failed bars without room for a word: at most one mark in a dozen pixels. */
  drawFailed(run, place, view) {
    run.rows.forEach((row, number) => {
      if (row.heading || row.isBand || row.last === row.first) return;
      const y = this.top(place, view, number) + (row.height * place.unit) / 2;
      let free = -Infinity;
      for (let next = lowerBound(run.failed, run.firstAfter(row, view.from)); next < run.failed.length; next++) {
        const at = run.failed[next];
        if (at >= row.last || run.start[at] > view.to) break;
        const x = this.x(Math.min(run.end[at], view.to));
        if (this.said.has(at)) continue;
        if (x < free) { next = Math.max(next, lowerBound(run.failed, run.firstAfter(row, view.timeAt(free), at)) - 1); continue; }
        const status = this.styles.statuses[run.status(at)];
        drawMarker(this.pen, status.marker, Math.min(x, place.right - 4), y, 9, status.line, this.styles.paper);
        free = x + 12;
        this.drawn++;
      }
    });
  }

  /** Outline highlighted bars, or underline those too narrow for that. */
  drawMarked(run, place, view) {
    const { pen } = this;
    pen.strokeStyle = pen.fillStyle = this.ink;
    pen.lineWidth = 1.8;
    run.rows.forEach((row, number) => {
      if (row.isBand) return;
      const middle = this.top(place, view, number) + (row.height * place.unit) / 2, tall = place.unit * this.styles.full;
      for (let next = lowerBound(view.marked, run.firstAfter(row, view.from)); next < view.marked.length; next++) {
        const at = view.marked[next];
        if (at >= row.last || run.start[at] > view.to) break;
        const x0 = Math.max(this.x(run.start[at]), place.left), x1 = Math.min(this.x(run.end[at]), place.right);
        if (x1 - x0 >= LEAST_WIDTH) { pen.strokeRect(x0 + 0.5, middle - tall / 2, x1 - x0 - 1, tall); continue; }
        pen.fillRect(x0, middle + tall / 2 - 1, 2, 4);
        const free = view.timeAt(x0 + 2);  // go on behind the mark
        next = Math.max(next, lowerBound(view.marked, run.firstAfter(row, free, at)) - 1);
      }
    });
  }

  /** Outline the selected bar from its first attempt to its last, and point at it where it is tiny. */
  drawSelected(run, place, view) {
    const { pen } = this, [first, last] = [view.selectedPieces[0], view.selectedPieces.at(-1)];
    if (first === undefined) return;
    const row = run.rowOf(first), middle = this.top(place, view, row) + (run.rows[row].height * place.unit) / 2;
    const x0 = Math.max(this.x(run.start[first]), place.left + 1) - 2, x1 = Math.min(this.x(run.end[last]), place.right - 1) + 2;
    const tall = place.unit * this.styles.full + 3, wide = Math.max(5, x1 - x0);
    if (x1 < place.left || x0 > place.right) return;
    for (const [width, colour] of [[6, this.paper], [3, this.ink]]) {
      pen.lineWidth = width;
      pen.strokeStyle = colour;
      pen.strokeRect(x0, middle - tall / 2, wide, tall);
    }
    if (wide < 12) drawMarker(pen, "v", x0 + wide / 2, middle - tall / 2 - 4, 10, this.ink, this.paper);
  }

  drawAxis(place, view) {
    const { pen } = this, span = view.to - view.from, y = TOP + place.height;
    const [unit, size] = axisUnit(view.to, span);
    const rough = span / size / Math.max(2, (place.right - place.left) / 90), power = 10 ** Math.floor(Math.log10(rough));
    const step = STEPS.find((one) => one * power >= rough) * power;
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9) + (Math.abs(step / power - 2.5) < 1e-9 ? 1 : 0));
    pen.font = `11px ${FONT}`;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (let tick = Math.ceil(view.from / size / step - 1e-9) + 0; tick * step * size <= view.to + step * size * 1e-6; tick++) {
      const x = this.x(tick * step * size);
      if (x > place.right + 1) break;
      pen.fillStyle = this.grid;
      pen.fillRect(x - 0.5, TOP, 1, place.height);
      pen.fillStyle = this.muted;
      pen.fillRect(x - 0.5, y, 1, 4);
      pen.fillStyle = this.ink;
      pen.fillText((tick * step).toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits }), x, y + 6);
    }
    pen.fillStyle = this.muted;
    pen.fillRect(place.left, y, place.right - place.left, 1);
    this.unit = unit;
  }

  /** Write the label of the axis, and what the height of colours means where bars are stacked. */
  drawCaption(run, place) {
    const { pen } = this, notes = [this.isStacked && this.styles.stacked, run.bands.length && this.styles.bands].filter(Boolean);
    const note = notes.map((one) => `; ${one}`).join("");
    pen.font = `11px ${FONT}`;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.fillStyle = this.muted;
    const text = this.fit(`time since the first submission [${this.unit}]${note}`, place.right - place.left, pen.font);
    pen.fillText(text, (place.left + place.right) / 2, TOP + place.height + 20);
  }

  drawScroll(place, view) {
    const high = Math.max(20, (place.height * place.height) / place.content);
    const y = TOP + ((place.height - high) * view.scroll) / (place.content - place.height);
    this.pen.fillStyle = this.muted;
    this.pen.globalAlpha = 0.5;
    this.pen.fillRect(place.width - 7, y, 5, high);
    this.pen.globalAlpha = 1;
  }
}

/** The unit of an axis, by its end and the visible stretch. */
function axisUnit(end, span) {
  if (span >= 0.2 || end >= 100) return ["s", 1];
  if (span >= 2e-4 || end >= 0.1) return ["ms", 1e-3];
  return ["µs", 1e-6];
}
