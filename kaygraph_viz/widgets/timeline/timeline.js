// The widget: the visible stretch, highlights, the selection, and the controls around the chart.
//
// Belongs here: the handling of keys, mouse and messages. Does not belong here: pixels (paint.js), numbers
// (data.js) and the diagram (diagram.js). What is shown is published in the data attributes of the
// canvas, for tests.

const MAX_HEIGHT = 520, ZOOM = 1.4, LEAST_SPAN = 2e-8, CLICK = 4;
const LAST_VIEW = new WeakMap();  // the last view of each state of a run, for a widget that the notebook draws again
const KEYS = "Drag or ← → to move, + − or Ctrl+wheel to zoom, Home to see all; Enter selects a bar, arrow keys select others, Esc clears the selection.";

class View {
  constructor(model, host) {
    this.model = model;
    this.styles = model.get("styles");
    this.build(host);
    this.painter = new Painter(this.canvas, this.styles);
    this.drawing = new Diagram(this.below, this.styles, (box) => this.choose(box));
    this.from = this.scroll = this.frames = 0;
    this.to = 1;
    this.isWhole = true;  // everything is in view, and stays so while the run grows
    this.marked = this.found = null;
    this.next = -1;
    this.selectedPieces = [];
    this.revealed = model.get("selected");
    this.stop = new AbortController();
    this.listen();
    this.takeScene();
    this.takeRun();
  }

  // -- parts -----------------------------------------------------------------------------------------------------

  build(host) {
    this.root = element("div", { class: "kv-timeline" }, host);
    this.title = element("div", { class: "kv-title" }, this.root);
    const bar = element("div", { class: "kv-tools", role: "toolbar", "aria-label": "timeline" }, this.root);
    const button = (sign, name, act) => {
      const made = element("button", { type: "button", title: name, "aria-label": name }, bar, sign);
      made.addEventListener("click", act);
    };
    button("+", "Zoom in (+)", () => this.zoom(1 / ZOOM));
    button("−", "Zoom out (−)", () => this.zoom(ZOOM));
    button("Fit", "See everything (Home)", () => this.fit());
    this.box = element("input", { type: "search", placeholder: "Search name, worker, status, error", spellcheck: "false",
      "aria-label": "Search bars by name, worker, status or error; Enter goes to the next" }, bar);
    this.count = element("span", { class: "kv-count", role: "status" }, bar);
    this.live = element("span", { class: "kv-live" }, bar);
    const stage = element("div", { class: "kv-stage" }, this.root);
    this.canvas = element("canvas", { tabindex: 0, role: "application", "aria-roledescription": "Gantt chart" }, stage);
    this.tip = element("div", { class: "kv-tip", role: "tooltip" }, stage);
    this.tip.hidden = true;
    this.legend = element("div", { class: "kv-legend" }, this.root);
    this.below = element("div", { class: "kv-diagram" }, this.root);
    this.facts = element("div", { class: "kv-facts", role: "status" }, this.root);
    element("div", { class: "kv-keys" }, this.root, KEYS);
  }

  listen() {
    const { signal } = this.stop, on = (target, name, act, more = {}) => target.addEventListener(name, act, { signal, ...more });
    for (const name of ["packed", "scene", "selected", "node", "details"]) this.model.on(`change:${name}`, this[`on_${name}`] = () => this.take(name));
    on(this.canvas, "wheel", (event) => this.onWheel(event), { passive: false });
    on(this.canvas, "pointerdown", (event) => this.onDown(event));
    on(this.canvas, "pointermove", (event) => this.onMove(event));
    on(this.canvas, "pointerup", (event) => this.onUp(event));
    on(this.canvas, "pointerleave", () => { this.tip.hidden = true; });
    on(this.canvas, "dblclick", () => this.fit());
    on(this.canvas, "keydown", (event) => this.onKey(event));
    on(this.box, "input", () => this.search());
    on(this.box, "keydown", (event) => {
      event.stopPropagation();  // the notebook has shortcuts of its own
      if (event.key === "Enter") this.toNext(event.shiftKey ? -1 : 1);
      if (event.key === "Escape") { this.box.value = ""; this.search(); }
    });
    this.resizing = new ResizeObserver(() => this.redraw());
    this.resizing.observe(this.root);
    this.theming = new MutationObserver(() => { this.painter.setTheme(); this.run && writeLegend(this.run, this.styles, this.painter, this.legend); this.redraw(); });
    this.theming.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-name", "data-jp-theme-light"] });
  }

  close() {
    this.stop.abort();
    for (const name of ["packed", "scene", "selected", "node", "details"]) this.model.off(`change:${name}`, this[`on_${name}`]);
    this.resizing.disconnect();
    this.theming.disconnect();
    cancelAnimationFrame(this.waiting);
  }

  // -- messages of the kernel ------------------------------------------------------------------------------------

  take(name) {
    if (name === "packed") this.takeRun();
    else if (name === "scene") this.takeScene();
    else if (name === "details") this.showFacts();
    else this.takeSelection();
  }

  takeRun() {
    const packed = this.model.get("packed"), before = LAST_VIEW.get(packed);
    const open = this.run ? this.run.open : new Set();
    this.run = new Run(packed, this.styles);
    this.run.arrange(open);
    if (before && before !== this) this.continueFrom(before);
    LAST_VIEW.set(packed, this);
    if (this.isWhole) this.setAll();
    this.title.textContent = this.run.title || "";
    this.canvas.setAttribute("aria-label", this.run.sentence || "Gantt chart");
    this.live.textContent = this.run.is_live ? "● recording: bars appear when they end" : "";
    this.run && writeLegend(this.run, this.styles, this.painter, this.legend);
    this.takeSelection();
    this.find();
  }

  /** Take over the stretch and the search of another view of the run: the notebook makes a new one at its end. */
  continueFrom(other) {
    for (const name of ["from", "to", "scroll", "isWhole"]) this[name] = other[name];
    this.box.value = other.box.value;
    this.run.arrange(other.run.open);
  }

  takeScene() {
    this.drawing.show(this.model.get("scene") || {});
    this.showNode();
  }

  takeSelection() {
    const id = this.model.get("selected"), node = this.model.get("node");
    this.selectedPieces = this.run.piecesOf(id);
    if (this.selectedPieces.length && id !== this.revealed) this.reveal(this.selectedPieces[0]);
    this.revealed = id;
    if (node !== this.markedNode) {
      this.markedNode = node;
      if (node === null) this.markedBranch = "";
      this.mark();
    }
    this.showFacts();
    this.showNode();
    this.redraw();
  }

  showNode() {
    if (!this.run) return;
    const [first] = this.selectedPieces;
    if (this.markedNode) this.drawing.mark(this.markedNode, this.markedBranch || "");
    else if (first !== undefined) this.drawing.mark(this.run.node(first), this.run.label(first)[0]);
    else this.drawing.mark(null, "");
  }

  // -- what is in view -------------------------------------------------------------------------------------------

  setAll() {
    this.isWhole = true;
    this.from = 0;
    this.to = Math.max(this.run.extent, 1e-6) * 1.005;
  }

  fit() { this.setAll(); this.scroll = 0; this.redraw(); }

  zoom(by, at = (this.from + this.to) / 2) {
    const most = Math.max(this.run.extent, 1e-6) * 1.005, span = Math.max(LEAST_SPAN, (this.to - this.from) * by);
    if (span >= most) { this.setAll(); this.redraw(); return; }
    const share = (at - this.from) / (this.to - this.from);
    this.moveTo(at - share * span, span);
  }

  /** Show a stretch of time of a given length, within the run. */
  moveTo(from, span = this.to - this.from) {
    const most = Math.max(this.run.extent, 1e-6) * 1.005;
    this.from = Math.max(0, Math.min(from, most - span));
    this.to = this.from + span;
    this.isWhole = span >= most * 0.9999;
    this.redraw();
  }

  scrollBy(pixels) {
    const most = Math.max(0, this.place.content - this.place.height);
    this.scroll = Math.max(0, Math.min(most, this.scroll + pixels));
    this.redraw();
  }

  /** Show the rows of a band, or hide them. */
  toggle(band) {
    const open = new Set(this.run.open);
    if (!open.delete(band.text)) open.add(band.text);
    this.run.arrange(open);
    if (this.place) this.place = this.painter.layout(this.run, this.place.width, MAX_HEIGHT);
    this.redraw();
  }

  /** Move until a piece is in view, no further than needed; if it is in a band, show the rows of that. */
  reveal(at) {
    const { run } = this, span = this.to - this.from, shown = run.rows[run.rowOf(at)];
    if (shown.isBand) this.toggle(shown);
    const row = run.rowOf(at);
    if (run.end[at] < this.from + span * 0.02 || run.start[at] > this.to - span * 0.02) {
      this.moveTo((run.start[at] + Math.min(run.end[at], run.start[at] + span)) / 2 - span / 2);
    }
    if (!this.place) return;
    const top = this.place.tops[row], bottom = top + run.rows[row].height * this.place.unit;
    if (top < this.scroll || bottom > this.scroll + this.place.height) this.scrollBy(top - this.place.height / 2 - this.scroll);
  }

  // -- search and highlights -------------------------------------------------------------------------------------

  search() {
    this.tip.hidden = true;
    this.next = -1;
    this.find();
    if (this.found && this.model.get("node") !== null) this.share({ node: null });
  }

  find() {
    this.found = this.run.search(this.box.value);
    this.mark();
  }

  mark() {
    const { run } = this, node = this.markedNode, branch = this.markedBranch;
    const ofNode = () => run.places((at) => run.node(at) === node && (!branch || run.label(at)[0] === branch));
    this.marked = this.found || (node ? ofNode() : null);
    const flags = this.marked && new Uint8Array(run.count);
    for (const at of this.marked || []) flags[at] = 1;
    this.isMarked = (at) => flags[at] === 1;
    const seen = new Set(), isNew = (id) => !seen.has(id) && seen.add(id);
    this.stops = (this.marked || []).filter((at) => isNew(run.id(at)));  // the first piece of each bar
    this.units = this.stops.length;
    this.say();
    this.redraw();
  }

  say() {
    const many = `${this.units.toLocaleString("en-US")} ${this.units === 1 ? "bar" : "bars"}`;
    const place = this.next >= 0 ? `, this is ${this.next + 1}` : "";
    const said = this.found ? (this.units ? `${many} found${place}` : "nothing found") : this.markedNode ? `${many} of the selected node` : "";
    if (this.count.textContent !== said) this.count.textContent = said;  // setting the same text would make screen readers repeat it
  }

  toNext(step) {
    const { stops, run } = this;
    if (!stops || !stops.length) return;
    if (this.next < 0 && step > 0) this.next = Math.max(0, stops.findIndex((at) => run.end[at] >= this.from)) - 1;
    this.next = (this.next + step + stops.length) % stops.length;
    this.share({ selected: run.id(stops[this.next]) });
    this.say();
  }

  // -- selecting -------------------------------------------------------------------------------------------------

  share(changes) {
    for (const [name, value] of Object.entries(changes)) this.model.set(name, value);
    this.model.save_changes();
    this.takeSelection();
  }

  select(at) { this.share({ selected: at < 0 ? null : this.run.id(at), ...(this.model.get("node") !== null ? { node: null } : {}) }); }

  choose(box) {
    this.box.value = "";
    this.found = null;
    this.markedBranch = box ? box.branch : "";
    this.markedNode = undefined;  // a branch of the same node is a change, too
    this.share({ node: box ? box.node : null, selected: null });
  }

  /** Select the bar beside the selected one: in its row, or the nearest in time in a row above or below. */
  step(across, down) {
    const { run } = this, at = this.selectedPieces[across > 0 ? this.selectedPieces.length - 1 : 0];
    const row = run.laneOf(at);
    if (across) {
      const next = at + across;
      if (next >= run.lanes[row].first && next < run.lanes[row].last) this.select(next);
      return;
    }
    const time = (Math.max(run.start[at], this.from) + Math.min(run.end[at], this.to)) / 2;
    for (let other = row + down; other >= 0 && other < run.lanes.length; other += down) {
      const next = run.pieceAt(run.lanes[other], time, Infinity);
      if (next >= 0) return this.select(next);
    }
  }

  firstInView() {
    for (const row of this.run.lanes) {
      const at = this.run.firstAfter(row, this.from);
      if (at < row.last && this.run.start[at] < this.to) return at;
    }
    return -1;
  }

  // -- mouse and keys --------------------------------------------------------------------------------------------

  timeAt(x) { return this.from + ((x - this.place.left) / (this.place.right - this.place.left)) * (this.to - this.from); }

  rowUnder(event) {
    const box = this.canvas.getBoundingClientRect(), y = event.clientY - box.top - TOP + this.scroll;
    if (y < 0 || event.clientY - box.top > TOP + this.place.height) return undefined;
    return this.run.rows.find((one, at) => y >= this.place.tops[at] && y < this.place.tops[at] + one.height * this.place.unit);
  }

  pieceUnder(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left, row = this.rowUnder(event);
    if (x < this.place.left || !row || row.heading || row.isBand) return -1;
    const reach = (3 * (this.to - this.from)) / (this.place.right - this.place.left);
    return this.run.pieceAt(row, this.timeAt(x), reach);
  }

  /** The stretch in which a branch waits for those within it, where there is no bar; -1 for none. */
  aroundUnder(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left, row = this.rowUnder(event);
    return x < this.place.left || !row || row.heading || row.isBand ? -1 : this.run.around.at(row, this.timeAt(x));
  }

  onWheel(event) {
    const isMine = event.ctrlKey || event.metaKey || document.activeElement === this.canvas;
    if (!isMine) return;  // the page scrolls
    const span = this.to - this.from;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.moveTo(this.from + ((event.deltaX || event.deltaY) / this.place.width) * span);
    } else if (!(this.isWhole && event.deltaY > 0)) {
      event.preventDefault();
      this.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.006), this.timeAt(event.clientX - this.canvas.getBoundingClientRect().left));
    }
  }

  onDown(event) {
    if (event.button !== 0) return;
    this.canvas.focus({ preventScroll: true });
    try { this.canvas.setPointerCapture(event.pointerId); } catch { /* an event that a script made */ }
    this.drag = { x: event.clientX, y: event.clientY, from: this.from, scroll: this.scroll, isMoved: false };
  }

  onMove(event) {
    const { drag } = this;
    if (!drag) return this.hover(event);
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    drag.isMoved = drag.isMoved || Math.hypot(dx, dy) > CLICK;
    if (!drag.isMoved) return;
    this.tip.hidden = true;
    this.canvas.classList.add("kv-dragged");
    this.moveTo(drag.from - (dx / (this.place.right - this.place.left)) * (this.to - this.from));
    this.scrollBy(drag.scroll - dy - this.scroll);
  }

  onUp(event) {
    const { drag } = this;
    this.drag = null;
    this.canvas.classList.remove("kv-dragged");
    if (!drag || drag.isMoved) return;
    const row = this.rowUnder(event), at = this.pieceUnder(event), wait = at < 0 ? this.aroundUnder(event) : -1;
    if (row && row.isBand) this.toggle(row); else this.select(wait < 0 ? at : this.run.around.piece(wait));
  }

  onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const isSelecting = this.selectedPieces.length > 0, span = this.to - this.from;
    const move = (across, down) => isSelecting ? this.step(across, down) : across ? this.moveTo(this.from + across * span * 0.15) : this.scrollBy(down * this.place.unit * 2);
    const acts = {
      "+": () => this.zoom(1 / ZOOM), "=": () => this.zoom(1 / ZOOM), "-": () => this.zoom(ZOOM), Home: () => this.fit(), 0: () => this.fit(),
      ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0), ArrowUp: () => move(0, -1), ArrowDown: () => move(0, 1),
      PageUp: () => this.moveTo(this.from - span * 0.9), PageDown: () => this.moveTo(this.from + span * 0.9),
      Enter: () => isSelecting || this.select(this.firstInView()), " ": () => isSelecting || this.select(this.firstInView()),
      Escape: () => this.choose(null), n: () => this.toNext(1), N: () => this.toNext(-1), "/": () => this.box.focus(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();  // the notebook has shortcuts of its own
    acts[event.key]();
  }

  // -- words -----------------------------------------------------------------------------------------------------

  hover(event) {
    const at = this.pieceUnder(event), row = this.rowUnder(event), wait = at < 0 ? this.aroundUnder(event) : -1;
    const one = wait < 0 ? at : this.run.around.piece(wait), band = row && row.isBand ? row : null;
    this.canvas.dataset.hover = one < 0 ? "" : String(this.run.id(one));
    this.canvas.style.cursor = one < 0 && !band ? "grab" : "pointer";
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    this.tip.hidden = one < 0 && !band;
    if (this.tip.hidden) return;
    this.tip.replaceChildren();
    element("strong", {}, this.tip, band ? band.text : this.run.name(one));
    writePairs(band ? bandWords(this.run, band, this.styles, x - this.place.left) : this.wordsUnder(row, this.timeAt(x), at, wait), this.tip, this.styles);
    const width = this.tip.offsetWidth, isRight = x + width + 24 > this.place.width;
    this.tip.style.left = `${Math.max(0, isRight ? x - width - 14 : x + 14)}px`;
    this.tip.style.top = `${y + 14}px`;
  }

  /** What is known of a bar, or of a stretch of waiting, and of its loop at that time. */
  wordsUnder(row, time, at, wait) {
    const words = at < 0 ? aroundWords(this.run, this.styles, wait) : pieceWords(this.run, this.styles, at);
    return [...words, ...heldWords(this.run, this.styles, row, time)];
  }

  showFacts() {
    const [at] = this.selectedPieces, details = this.model.get("details") || [];
    const pairs = at === undefined ? [] : details.length ? details.filter(([word]) => word !== "name")
      : this.run.isOwn(at) ? branchWords(this.run, this.styles, this.selectedPieces) : pieceWords(this.run, this.styles, at);
    const said = at === undefined ? "" : JSON.stringify([this.run.name(at), pairs]);
    if (said === this.saidFacts) return;
    this.saidFacts = said;
    this.facts.replaceChildren();
    if (at === undefined) return;
    element("strong", {}, this.facts, this.run.name(at));
    writePairs(pairs, this.facts, this.styles);
  }

  // -- drawing ---------------------------------------------------------------------------------------------------

  redraw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.paint(); });
  }

  paint() {
    const width = this.canvas.parentElement.clientWidth;
    if (!width || !this.run) return;
    this.place = this.painter.layout(this.run, width, MAX_HEIGHT);
    this.scroll = Math.max(0, Math.min(this.scroll, this.place.content - this.place.height));
    const begun = performance.now(), drawn = this.painter.draw(this.run, this.place, this);
    this.frames++;
    const [first] = this.selectedPieces;
    Object.assign(this.canvas.dataset, {
      frames: this.frames, drawn, bars: this.run.bars || 0, from: this.from, to: this.to, ms: (performance.now() - begun).toFixed(1),
      live: Boolean(this.run.is_live), rows: this.run.rows.filter((row) => !row.heading).length, open: this.run.open.size,
      selected: first === undefined ? "" : this.run.id(first), node: this.markedNode || "", matches: this.marked ? this.units : "",
      left: this.place.left, right: this.place.right, top: TOP, unit: this.place.unit,
    });
  }
}

export default {
  render({ model, el }) {
    const view = new View(model, el);
    return () => view.close();
  },
};
