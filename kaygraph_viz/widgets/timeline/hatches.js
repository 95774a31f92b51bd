// Hatches and markers, like those of the static pictures.
//
// Belongs here: signs that tell kinds apart without colour. Does not belong here: where they are drawn
// (paint.js, details.js).

/** A hatch as in the static picture: each character of matplotlib's hatch is a set of lines in one direction. */
function hatchPattern(context, hatch, colour) {
  const tile = document.createElement("canvas"), size = 8, scale = window.devicePixelRatio || 1;
  tile.width = tile.height = size * scale;
  const pen = tile.getContext("2d");
  pen.scale(scale, scale);
  pen.strokeStyle = colour;
  pen.lineWidth = 1.3;
  const line = (x0, y0, x1, y1) => { pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(x1, y1); pen.stroke(); };
  const rising = () => { line(-1, 1, 1, -1); line(0, size, size, 0); line(size - 1, size + 1, size + 1, size - 1); };
  const falling = () => { line(-1, size - 1, 1, size + 1); line(0, 0, size, size); line(size - 1, -1, size + 1, 1); };
  const half = size / 2;
  const dots = () => {
    pen.fillStyle = colour;
    for (const [x, y] of [[1, 1], [5, 1], [3, 5], [7, 5]]) { pen.beginPath(); pen.arc(x, y, 0.9, 0, 7); pen.fill(); }
  };
  const strokes = {
    "/": rising, "\\": falling, x: () => { rising(); falling(); }, "|": () => line(half, 0, half, size),
    "-": () => line(0, half, size, half), ".": dots, "+": () => { line(half, 0, half, size); line(0, half, size, half); },
  };
  (strokes[hatch[0]] || (() => {}))();
  const pattern = context.createPattern(tile, "repeat");
  if (pattern.setTransform) pattern.setTransform(new DOMMatrix().scale(1 / scale));
  return pattern;
}

/** The mark of a kind of failure: one of matplotlib's markers, for bars without room for a word. */
function drawMarker(pen, marker, x, y, size, colour, paper) {
  const r = size / 2;
  const shapes = {
    X: [[-1, -0.5], [-0.5, -1], [0, -0.5], [0.5, -1], [1, -0.5], [0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5], [-0.5, 1], [-1, 0.5], [-0.5, 0]],
    v: [[-1, -0.8], [1, -0.8], [0, 1]], D: [[0, -1], [1, 0], [0, 1], [-1, 0]], s: [[-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]],
    P: [[-0.4, -1], [0.4, -1], [0.4, -0.4], [1, -0.4], [1, 0.4], [0.4, 0.4], [0.4, 1], [-0.4, 1], [-0.4, 0.4], [-1, 0.4], [-1, -0.4], [-0.4, -0.4]],
  };
  pen.beginPath();
  (shapes[marker] || shapes.D).forEach(([dx, dy], at) => (at ? pen.lineTo(x + dx * r, y + dy * r) : pen.moveTo(x + dx * r, y + dy * r)));
  pen.closePath();
  pen.fillStyle = colour;
  pen.strokeStyle = paper;
  pen.lineWidth = 1;
  pen.fill();
  pen.stroke();
}
