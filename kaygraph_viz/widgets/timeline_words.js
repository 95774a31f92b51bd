// Words beside the chart: what is known of a bar, and the legend.
//
// Belongs here: texts and their elements, which are filled with textContent only. Does not belong here: when they are
// shown (timeline.js).

/** Make an element; those that take keys keep them from the notebook, which has shortcuts of its own. */
function element(name, attributes, parent, text = "") {
  const made = document.createElement(name);
  if ("tabindex" in attributes || name === "button") made.dataset.lmSuppressShortcuts = "true";
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

/** What is known of a piece here, without the kernel, as pairs of words. */
function pieceWords(run, look, at) {
  const status = look.statuses[run.status(at)], row = run.rows[run.rowOf(at)];
  const tries = run.columns.tries(at), parts = run.parts(at).filter(([, seconds]) => seconds > 0);
  const isKnown = run.columns.cpu(at) !== NOT_MEASURED;
  const share = (part) => parts.find(([name]) => name === part)?.[1] ?? 0;
  const pairs = [["worker", row.lane], ["from", durationText(run.start[at])], ["took", durationText(run.end[at] - run.start[at])]];
  if (run.isPause(at)) return [...pairs, ["is", "the pause before a retry"]];
  if (run.columns.queued(at) > 0 || run.columns.attempt(at) === 1 || tries === 1) pairs.push(["queued", durationText(run.columns.queued(at))]);
  pairs.push(["CPU", isKnown ? durationText(share("cpu")) : "not measured"]);
  pairs.push(["waiting", isKnown ? durationText(share("waiting")) : "not measured"]);
  pairs.push(["blocked", durationText(share("blocked"))], ["ended", run.isRunning(at) ? "not yet" : status.label]);
  if (tries > 1) pairs.push(["attempt", `${run.columns.attempt(at)} of ${tries}`]);
  if (run.errors[at]) pairs.push(["error", run.errors[at]]);
  return pairs;
}

/** Write pairs of words below each other; parts of the time with their colours. */
function writePairs(pairs, parent, look) {
  const made = element("dl", {}, parent);
  for (const [word, text] of pairs) {
    const pair = element("div", { class: "kv-pair" }, made), part = Object.values(look.parts).find((fill) => fill.label === word);
    const name = element("dt", {}, pair, word);
    if (part) { name.classList.add("kv-key"); name.style.setProperty("--kv-part", part.colour); }
    element("dd", {}, pair, text);
  }
}

/** Write which colours, hatches and marks occur in a run, and what they mean. */
function writeLegend(run, look, painter, host) {
  const seen = new Set(), fills = [];
  for (const [part, sums] of Object.entries(run.sums)) if (sums[run.count] > 0) seen.add(part);
  if (run.hasQueued) seen.add("queued");
  for (const [part, fill] of Object.entries(look.parts)) if (seen.has(part)) fills.push(fill);
  const bad = new Set(Array.from(run.failed, (at) => run.status(at)));
  for (const status of bad) fills.push(look.statuses[status]);
  host.replaceChildren();
  for (const fill of fills) {
    const entry = element("span", { class: "kv-entry" }, host), swatch = element("canvas", { width: 44, height: 24 }, entry);
    const pen = swatch.getContext("2d");
    pen.scale(2, 2);
    pen.fillStyle = fill.colour;
    pen.fillRect(1, 1, 20, 10);
    if (fill.hatch) { pen.fillStyle = painter.pattern(fill.hatch, fill.line); pen.fillRect(1, 1, 20, 10); }
    pen.strokeStyle = look.bar;
    pen.lineWidth = 0.7;
    pen.strokeRect(1, 1, 20, 10);
    if (fill.marker) drawMarker(pen, fill.marker, 11, 6, 9, fill.line, look.paper);
    element("span", {}, entry, fill.label);
  }
}
