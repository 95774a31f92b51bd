// Bands of rows: of very many rows, which are shown one by one only where the reader asks for it.
//
// Belongs here: which rows are shown, how busy a band is when, and drawing it. Does not belong here: which rows become a
// band (plot/gantt/bands.py), and rows of single workers (paint.js).

/** The rows that are shown: those of the run, with a band in place of its rows, or above them if it is open. */
function arranged(lanes, bands, open) {
  const rows = [];
  let next = 0;
  const add = (until) => { while (next < until) rows.push(lanes[next++]); };
  for (const band of bands) {
    add(band.from);
    rows.push(band);
    if (open.has(band.text)) add(band.to);
    next = band.to;
  }
  add(lanes.length);
  return rows;
}

/** How many rows of a band are busy with each kind in each pixel, on average, in the order of `run.names`: exact sums,
 * which need no order. They are kept until another stretch is in view. */
function bandShares(run, band, view, wide) {
  const key = `${view.from} ${view.to} ${wide}`;
  if (band.key === key) return band.shares;
  const perPixel = (view.to - view.from) / wide, place = (name) => run.names.indexOf(name);
  const shares = run.names.map(() => new Float64Array(wide)), steps = run.names.map(() => new Float64Array(wide + 2));
  const put = (name, from, until, rate) => {
    if (!(rate > 0) || name < 0) return;
    const [x0, x1] = [(from - view.from) / perPixel, (until - view.from) / perPixel], share = shares[name], step = steps[name];
    const first = Math.min(wide - 1, Math.floor(x0)), last = Math.min(wide - 1, Math.floor(x1));
    share[first] += rate * (first + 1 - x0);
    share[last] -= rate * (last + 1 - x1);
    step[first + 1] += rate;
    step[last + 1] -= rate;
  };
  const codes = KINDS.map(place), [cpu, wait] = [place("cpu"), place("wait")];
  for (let at = band.first; at < band.last; at++) {
    if (run.end[at] <= view.from || run.start[at] >= view.to) continue;
    for (let part = run.firstPart[at]; part < run.firstPart[at + 1]; part++) {
      const from = Math.max(view.from, run.partStart(at, part)), until = Math.min(view.to, run.partEnd[part]);
      if (until <= from) continue;
      if (run.partKind[part] !== UNKNOWN) { put(codes[run.partKind[part]], from, until, 1); continue; }
      put(cpu, from, until, run.partShare[part]);
      put(wait, from, until, 1 - run.partShare[part]);
    }
  }
  shares.forEach((share, name) => {
    for (let x = 0, sum = 0; x < wide; x++) { sum += steps[name][x]; share[x] += sum; }
  });
  Object.assign(band, { key, shares });
  return shares;
}

/** Draw a band: its colours on each other, each as high as its share of the rows, on the room of all rows. */
function drawBand(painter, run, band, middle, place, view) {
  const { pen, styles } = painter, tall = place.unit * styles.full, bottom = middle + tall / 2;
  const wide = Math.max(1, Math.round(place.right - place.left)), shares = bandShares(run, band, view, wide);
  const heights = new Float64Array(wide), size = tall / (band.to - band.from);
  const right = Math.min(place.right, painter.x(run.extent));
  pen.globalAlpha = 0.35;
  pen.fillStyle = painter.grid;
  pen.fillRect(place.left, bottom - tall, right - place.left, tall);
  pen.globalAlpha = view.marked ? 0.4 : 1;
  const trace = (from, to, step) => { for (let x = from; x !== to; x += step) pen.lineTo(place.left + x + 0.5, bottom - heights[x]); };
  run.names.forEach((name, number) => {
    pen.fillStyle = styles.parts[name].colour;
    pen.beginPath();
    trace(0, wide, 1);
    for (let x = 0; x < wide; x++) heights[x] += size * Math.max(0, shares[number][x]);
    trace(wide - 1, -1, -1);
    pen.fill();
    painter.drawn++;
  });
  pen.strokeStyle = styles.bar;
  pen.lineWidth = 0.5;
  pen.beginPath();
  trace(0, wide, 1);
  pen.stroke();
  pen.globalAlpha = 1;
  drawBandMarks(painter, run, band, middle, place, view);
}

/** How many rows of a band are busy with what at a pixel of the chart, on average, as pairs of words. */
function bandWords(run, band, styles, x) {
  const rows = band.to - band.from, count = (many) => `${Number(many.toFixed(many < 10 ? 1 : 0)).toLocaleString("en-US")} of ${rows.toLocaleString("en-US")}`;
  const found = (band.shares || []).map((share) => Math.max(0, share[Math.min(share.length - 1, Math.max(0, Math.floor(x)))]));
  const pairs = run.names.map((name, at) => [partWord(styles.parts[name]), found[at] || 0]).filter(([, many]) => many > 0);
  const idle = Math.max(0, rows - found.reduce((sum, many) => sum + many, 0));
  return [...pairs, ["idle", idle]].map(([word, many]) => [word, count(many)]);
}

/** Mark failures, at most one in a dozen pixels, and underline what is highlighted. */
function drawBandMarks(painter, run, band, middle, place, view) {
  const { pen, styles } = painter, seen = new Set(), tall = place.unit * styles.full;
  for (let next = lowerBound(run.failed, band.first); next < run.failed.length && run.failed[next] < band.last; next++) {
    const at = run.failed[next], x = painter.x(run.end[at]), slot = Math.floor(x / 12);
    if (x < place.left || x > place.right + 1 || seen.has(slot)) continue;
    seen.add(slot);
    const status = styles.statuses[run.status(at)];
    drawMarker(pen, status.marker, Math.min(x, place.right - 4), middle, 9, status.line, styles.paper);
  }
  pen.fillStyle = painter.ink;
  for (let next = lowerBound(view.marked || [], band.first); next < (view.marked || []).length && view.marked[next] < band.last; next++) {
    const at = view.marked[next], x = Math.floor(painter.x(run.start[at]));
    if (x < place.left || x > place.right || seen.has(`${x}`)) continue;
    seen.add(`${x}`);
    pen.fillRect(x, middle + tall / 2 - 1, 2, 4);
  }
}
