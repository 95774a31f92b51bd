// The chart to move about in on a page of its own: there is no kernel, so that the page holds all of the run.
//
// Belongs here: what takes the place of the kernel. Does not belong here: the chart (widgets/timeline/*.js, which come
// before this file in the one script of the page).

/** The state of a chart, as anywidget's model; nobody but the chart changes it. */
class PageModel {
  constructor(state) { this.state = new Map(Object.entries(state)); }
  get(name) { return this.state.has(name) ? this.state.get(name) : null; }
  set(name, value) { this.state.set(name, value); }
  save_changes() {}
  on() {}
  off() {}
}

async function bytesOf(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new DataView(await new Response(plain).arrayBuffer());
}

const onPage = JSON.parse(document.getElementById("runs").textContent);
for (const [at, { head, data, scene }] of onPage.runs.entries()) {
  const host = document.getElementById(`run-${at}`);
  bytesOf(data).then((bytes) => {
    new View(new PageModel({ styles: onPage.styles, packed: { ...head, data: bytes }, scene }), host);
    for (const picture of document.querySelectorAll(`[data-instead="${at}"]`)) picture.hidden = true;
  });
}
