// Texts beside the chart: the details of a bar, and the legend.
//
// Belongs here: texts and their elements, which are filled with textContent only. Does not belong here: when they are
// shown (timeline.js).

/** Make an element; those that take keys stop their propagation, since the notebook has shortcuts of its own. */
function element(name, attributes, parent, text = "") {
  const made = document.createElement(name);
  if ("tabindex" in attributes || name === "button") made.dataset.lmSuppressShortcuts = "true";
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

/** The name of a part without the remark that the legend adds. */
function partWord(fill) { return fill.label.replace(/ \(.*/, ""); }

/** The details of a piece that are known without asking the kernel, as pairs of words. */
function pieceWords(run, styles, at) {
  const status = styles.statuses[run.status(at)], row = run.lanes[run.laneOf(at)], tries = run.columns.tries(at);
  const pairs = [["worker", row.lane], ["from", durationText(run.start[at])], ["took", durationText(run.end[at] - run.start[at])]];
  if (run.isPause(at)) return [...pairs, ...partWords(run, styles, at).filter(([, text]) => !text.startsWith("0 ")), ["is", "between attempts"]];
  if (run.isOwn(at)) return [...pairs, ...partWords(run, styles, at), ["is", "its own work, beside its branches"], ...endWords(run, styles, at)];
  if (run.columns.queued(at) > 0 || run.columns.attempt(at) === 1 || tries === 1) pairs.push(["queued", durationText(run.columns.queued(at))]);
  pairs.push(...partWords(run, styles, at), ["ended", run.isRunning(at) ? "not yet" : status.label]);
  if (tries > 1) pairs.push(["attempt", `${run.columns.attempt(at)} of ${tries}`]);
  if (run.errors[at]) pairs.push(["error", run.errors[at]]);
  return pairs;
}

/** The sum of each kind of part: CPU and waiting always, others where they occur, as in span_facts.py. */
function partWords(run, styles, at) {
  const seconds = run.totals(at), pairs = [];
  for (const kind of ["cpu", "wait"]) {
    pairs.push([partWord(styles.parts[kind]), seconds[kind] === null ? "not measured" : durationText(seconds[kind] || 0)]);
  }
  for (const kind of ["gil", "core", "blocked", "pause"]) {
    if (seconds[kind] > 0) pairs.push([partWord(styles.parts[kind]), durationText(seconds[kind])]);
  }
  if (seconds.unknown > 0) pairs.push([partWord(styles.parts.unknown), `${durationText(seconds.unknown)} of these times`]);
  return pairs;
}

/** Write pairs of words below each other; parts of the time with their colours. */
function writePairs(pairs, parent, styles) {
  const made = element("dl", {}, parent);
  for (const [word, text] of pairs) {
    const pair = element("div", { class: "kv-pair" }, made), part = Object.values(styles.parts).find((fill) => partWord(fill) === word);
    const name = element("dt", {}, pair, word);
    if (part) { name.classList.add("kv-key"); name.style.setProperty("--kv-part", part.base ? `linear-gradient(${part.colour} 50%, ${part.base} 50%)` : part.colour); }
    element("dd", {}, pair, text);
  }
}

/** Write which colours, hatches and marks occur in a run, and what they mean. */
function writeLegend(run, styles, painter, host) {
  const seen = new Set([...(run.hasQueued ? ["queued"] : []), ...run.kinds, ...(run.around.count ? ["around"] : [])]), fills = [];
  for (const [part, fill] of Object.entries(styles.parts)) if (seen.has(part)) fills.push(fill);
  const bad = new Set(Array.from(run.failed, (at) => run.status(at)));
  for (const status of bad) fills.push(styles.statuses[status]);
  host.replaceChildren();
  for (const fill of fills) {
    const entry = element("span", { class: "kv-entry" }, host), swatch = element("canvas", { width: 44, height: 24 }, entry);
    const pen = swatch.getContext("2d");
    pen.scale(2, 2);
    pen.fillStyle = fill.colour;
    pen.fillRect(1, 1, 20, 10);
    if (fill.base) { pen.fillStyle = fill.base; pen.fillRect(1, 6, 20, 5); }
    if (fill.hatch) { pen.fillStyle = painter.pattern(fill.hatch, fill.line); pen.fillRect(1, 1, 20, 10); }
    pen.strokeStyle = styles.bar;
    pen.lineWidth = 0.7;
    pen.strokeRect(1, 1, 20, 10);
    if (fill.marker) drawMarker(pen, fill.marker, 11, 6, 9, fill.line, styles.paper);
    element("span", {}, entry, fill === styles.parts.gil && run.turn ? run.turn : fill.label);  // of a loop, or of the interpreter
  }
  if (run.held.count) {
    const entry = element("span", { class: "kv-entry" }, host);
    element("span", { class: "kv-held" }, entry).style.setProperty("--kv-held", styles.held.colour);
    element("span", {}, entry, styles.held.label);
  }
}
