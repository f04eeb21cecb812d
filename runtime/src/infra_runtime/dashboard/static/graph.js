// Lines between the nodes of the graph: from each service to the services that need it.
const graph = document.getElementById("graph");
const SVG = "http://www.w3.org/2000/svg";

// Pixels: half of the space between two nodes of a column, and the longest line to the next column.
const GAP = 6;
const NEXT = 120;

function curve(x1, y1, x2, y2) {
  const bend = (x1 + x2) / 2;
  return `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`;
}

// A line over several columns runs between the nodes of the columns.
function around(x1, y1, y, x2, y2) {
  const side = NEXT / 2;
  return `${curve(x1, y1, x1 + side, y)}H${x2 - side}${curve(x2 - side, y, x2, y2)}`;
}

function draw() {
  const svg = graph.querySelector("svg");
  if (!svg) return;
  const box = graph.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${graph.scrollWidth} ${graph.scrollHeight}`);
  svg.setAttribute("width", graph.scrollWidth);
  svg.setAttribute("height", graph.scrollHeight);
  const nodes = new Map([...graph.querySelectorAll(".node")].map((node) => [node.dataset.name, node]));
  const lines = [];
  for (const node of nodes.values()) {
    for (const need of node.dataset.needs.split(" ").filter((name) => nodes.has(name))) {
      const from = nodes.get(need).getBoundingClientRect();
      const to = node.getBoundingClientRect();
      const [x1, y1] = [from.right - box.left + graph.scrollLeft, from.top + from.height / 2 - box.top];
      const [x2, y2] = [to.left - box.left + graph.scrollLeft, to.top + to.height / 2 - box.top];
      const line = document.createElementNS(SVG, "path");
      line.dataset.ends = `${need} ${node.dataset.name}`;
      line.classList.add(...(nodes.get(need).matches(".good, .off") ? [] : [nodes.get(need).classList[1]]));
      const gap = (y2 < y1 ? from.top - GAP : from.bottom + GAP) - box.top;
      line.setAttribute("d", x2 - x1 > NEXT ? around(x1, y1, gap, x2, y2) : curve(x1, y1, x2, y2));
      lines.push(line);
    }
  }
  svg.replaceChildren(...lines);
}

// Emphasises the lines of the node under the pointer or with the focus.
function mark(event) {
  const name = event.target.closest?.(".node")?.dataset.name;
  for (const line of graph.querySelectorAll("path")) {
    line.classList.toggle("marked", name !== undefined && line.dataset.ends.split(" ").includes(name));
  }
}

if (graph) {
  draw();
  for (const name of ["pointerover", "focusin", "pointerleave", "focusout"]) graph.addEventListener(name, mark);
  addEventListener("resize", draw);
  document.addEventListener("parts", draw);
}
