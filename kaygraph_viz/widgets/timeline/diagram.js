// The diagram of the graph as SVG: each box is a button that selects its node, or one of its branches.
//
// Belongs here: boxes, arrows and frames of a scene that Python has laid out. Does not belong here: what a selection
// does to the chart (timeline.js). Texts are set as textContent, so that markup in names is shown and never run.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (parent) parent.append(made);
  return made;
}

/** Draws a scene into an element; `choose(box)` is called with a box, or null when it is chosen again. */
class Diagram {
  constructor(host, styles, choose) {
    this.host = host;
    this.styles = styles;
    this.choose = choose;
    this.boxes = [];
  }

  show(scene) {
    this.host.replaceChildren();
    this.boxes = [];
    this.host.hidden = !scene.boxes || !scene.boxes.length;
    if (this.host.hidden) return;
    const pad = 4, wide = scene.width + 2 * pad, high = scene.height + 2 * pad;
    const root = svg("svg", { viewBox: `${-pad} ${-pad} ${wide} ${high}`, role: "group", "aria-label": scene.sentence }, this.host);
    root.style.width = `${wide * 1.25}px`;
    for (const frame of scene.frames) this.drawFrame(frame, root);
    for (const arrow of scene.arrows) this.drawArrow(arrow, root);
    for (const box of scene.boxes) this.drawBox(box, root);
    if ([...scene.arrows, ...scene.boxes].some((part) => part.critical)) {
      const key = element("div", { class: "kv-legend" }), entry = element("span", { class: "kv-entry" }, key);
      element("span", { class: "kv-path" }, entry);
      element("span", {}, entry, "critical path");
      this.host.prepend(key);
    }
    for (const label of scene.labels) {
      svg("rect", { x: label.x - label.width / 2, y: label.y - 6, width: label.width, height: 12, class: "kv-paper" }, root);
      this.write(root, label.text, label.x, label.y, { size: this.styles.small_font });
    }
  }

  write(parent, text, x, y, { size = this.styles.font, anchor = "middle", kind = "", colour = "" } = {}) {
    const made = svg("text", { x, y, "font-size": size, "text-anchor": anchor, "dominant-baseline": "central", class: kind }, parent);
    if (colour) made.style.fill = colour;
    made.textContent = text;
  }

  drawFrame(frame, root) {
    const { x, y, width, height } = frame;
    svg("rect", { x, y, width, height, class: "kv-frame" }, root);
    let top = y + this.styles.pad;
    for (const line of frame.lines) {
      const tall = line.small ? this.styles.small_line : this.styles.line;
      this.write(root, line.text, x + 8, top + tall / 2, { anchor: "start", kind: line.bold ? "kv-bold" : "", size: line.small ? this.styles.small_font : this.styles.font });
      top += tall;
    }
  }

  drawArrow(arrow, root) {
    const kind = arrow.critical ? "kv-arrow kv-critical" : arrow.faint ? "kv-arrow kv-faint" : "kv-arrow";
    const [last, before] = [arrow.points.at(-1), arrow.points.at(-2)];
    svg("path", { d: arrow.curve ? curve(arrow.points) : rounded(arrow.points), class: kind, fill: "none" }, root);
    if (!arrow.head) return;
    const angle = (Math.atan2(last[1] - before[1], last[0] - before[0]) * 180) / Math.PI;
    const turn = arrow.curve ? 0 : angle;
    svg("path", { d: "M0 0L-7 -3.4L-7 3.4Z", transform: `translate(${last[0]} ${last[1]}) rotate(${turn})`, class: `${kind} kv-head` }, root);
  }

  drawBox(box, root) {
    const { x, y, width, height } = box, group = svg("g", { class: `kv-box kv-${box.style}${box.critical && !box.failed ? " kv-critical" : ""}` }, root);
    const shifts = box.stacked ? [this.styles.stack, this.styles.stack / 2, 0] : [0];
    const edge = box.failed ? this.styles.failed : box.critical ? this.styles.critical : this.styles.bar;
    for (const shift of shifts) {
      svg("rect", { x: x + shift, y: y + shift, width, height, rx: box.style === "join" ? 0 : 4, fill: this.styles.boxes[box.style],
        stroke: edge, "stroke-width": box.failed || box.critical ? 1.9 : 0.9, "stroke-dasharray": box.style === "more" ? "3 2" : "none" }, group);
    }
    let top = y + this.styles.pad;
    for (const line of box.lines) {
      const tall = line.small ? this.styles.small_line : this.styles.line;
      this.write(group, line.text, x + width / 2, top + tall / 2, { kind: line.bold ? "kv-bold" : "", size: line.small ? this.styles.small_font : this.styles.font, colour: line.small ? this.styles.muted : this.styles.text });
      top += tall;
    }
    if (!box.node) return;
    const words = box.lines.map((line) => line.text).join(", ");
    for (const [key, value] of Object.entries({ tabindex: 0, "data-lm-suppress-shortcuts": "true", role: "button", "aria-pressed": "false", "aria-label": `${box.branch ? "branch" : "node"} ${words}` })) group.setAttribute(key, value);
    const act = () => this.choose(group.getAttribute("aria-pressed") === "true" ? null : box);
    group.addEventListener("click", act);
    group.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });
    this.boxes.push([box, group]);
  }

  /** Mark the node of the selection, or its branch where that is drawn. */
  mark(node, branch) {
    const isOf = (box, wanted) => box.node === node && box.branch === wanted;
    const hasBranch = branch && this.boxes.some(([box]) => isOf(box, branch));
    for (const [box, group] of this.boxes) {
      const isChosen = node !== null && (isOf(box, hasBranch ? branch : "") || (hasBranch && isOf(box, "")));
      group.classList.toggle("kv-chosen", isChosen);
      group.setAttribute("aria-pressed", String(node !== null && isOf(box, hasBranch ? branch : "")));
    }
  }
}

/** A path whose slanted parts are curves that begin and end horizontally. */
function curve(points) {
  let d = `M${points[0].join(" ")}`;
  for (let at = 1; at < points.length; at++) {
    const [[x0, y0], [x1, y1]] = [points[at - 1], points[at]], middle = (x0 + x1) / 2;
    d += Math.abs(y1 - y0) < 0.01 ? `L${x1} ${y1}` : `C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
  }
  return d;
}

/** A path along straight lines with rounded corners. */
function rounded(points) {
  const towards = ([x0, y0], [x1, y1]) => {
    const length = Math.abs(x1 - x0) + Math.abs(y1 - y0), share = length ? Math.min(6, length / 2) / length : 0;
    return `${x0 + (x1 - x0) * share} ${y0 + (y1 - y0) * share}`;
  };
  let d = `M${points[0].join(" ")}`;
  for (let at = 1; at < points.length - 1; at++) {
    d += `L${towards(points[at], points[at - 1])}Q${points[at].join(" ")} ${towards(points[at], points[at + 1])}`;
  }
  return `${d}L${points.at(-1).join(" ")}`;
}
