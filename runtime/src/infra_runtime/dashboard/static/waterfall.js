// The spans of a trace as rows of the same height; the page contains only the visible rows. The server sends one list
// for each field. If a span is folded, the rows of the spans below it are left out.
import { parameter, setParameter } from "./address.js";
import { keys } from "./keys.js";
import { copy, notice } from "./notices.js";
import { clock, milliseconds } from "./times.js";

const narrow = matchMedia("(max-width: 56rem)");  // as in the style sheet
const height = () => (narrow.matches ? 44 : 30);
const box = document.querySelector("[data-waterfall]");
const search = document.querySelector("[data-span-search]");
const count = document.querySelector("[data-span-count]");
const panel = document.querySelector("[data-span-details]");
const foldAll = document.querySelector("[data-fold-all]");
const rows = document.createElement("div");
const axis = document.createElement("div");
let data = null;
let ends = null;  // index of a span → index of the first span that is not below this span
let folded = null;
let visibleSpans = [];  // the indices of the spans that are not below a folded span
let matches = new Set();
let selected = -1;

const address = (path, more = {}) => {
  const parameters = new URLSearchParams(box.dataset.place);
  for (const [name, value] of Object.entries(more)) parameters.set(name, value);
  return `${box.dataset.waterfall}${path}?${parameters}`;
};

async function read(path, more) {
  const response = await fetch(address(path, more));
  const result = await response.json();
  if (!response.ok) throw new Error(result.detail);
  return result;
}

function computeEnds({ depth }) {
  const ends = new Int32Array(depth.length).fill(depth.length);
  const open = [];
  depth.forEach((level, index) => {
    while (open.length && depth[open.at(-1)] >= level) ends[open.pop()] = index;
    open.push(index);
  });
  return ends;
}

function computeShown() {
  visibleSpans = [];
  for (let index = 0; index < data.depth.length; index = folded[index] ? ends[index] : index + 1) visibleSpans.push(index);
  rows.style.height = `${visibleSpans.length * height()}px`;
}

function element(name, className, text = "") {
  const created = document.createElement(name);
  created.className = className;
  created.textContent = text;
  return created;
}

function row(index, position) {
  const created = element("div", "span");
  created.id = `span-${index}`;
  created.dataset.at = index;
  created.style.top = `${position * height()}px`;
  created.setAttribute("role", "row");
  created.setAttribute("aria-rowindex", index + 1);
  created.setAttribute("aria-level", data.depth[index] + 1);
  created.setAttribute("aria-selected", String(index === selected));
  const hasChildren = ends[index] > index + 1;
  if (hasChildren) created.setAttribute("aria-expanded", String(!folded[index]));
  if (index === selected) created.classList.add("selected");
  if (matches.has(data.id[index])) created.classList.add("match");
  const nameCell = element("span", "what");
  const service = data.service_of[index];
  nameCell.setAttribute("role", "gridcell");
  nameCell.style.paddingLeft = `${Math.min(data.depth[index], 20) * 14}px`;
  nameCell.append(element("span", "fold", hasChildren ? (folded[index] ? "▸" : "▾") : ""));
  if (data.error[index]) nameCell.append(element("span", "bad", "✕ "), element("span", "hidden", "error "));
  const name = data.names[data.name_of[index]];
  nameCell.append(element("b", "", name), element("span", `of span-service-${service % 6}`, data.services[service]));
  nameCell.title = `${name} (${data.services[service]})`;
  const bars = element("span", "bars");
  bars.setAttribute("role", "gridcell");
  const bar = element("i", `bar${data.error[index] ? " bad" : ` service-bar-${service % 6}`}`);
  bar.style.left = `${(data.offset[index] / data.duration) * 100}%`;
  bar.style.width = `max(2px, ${(data.length[index] / data.duration) * 100}%)`;
  bars.append(bar);
  const length = element("span", "number", milliseconds(data.length[index]));
  length.setAttribute("role", "gridcell");
  created.append(nameCell, bars, length);
  return created;
}

// Draws the times above the bars; they are hidden from screen readers, which read the durations of the spans.
function drawAxis() {
  axis.className = "scale";
  axis.setAttribute("aria-hidden", "true");
  const times = element("span", "ticks");
  for (const part of [0, 0.25, 0.5, 0.75]) {
    const tick = element("span", "", part ? milliseconds(data.duration * part) : "0");
    tick.style.left = `${part * 100}%`;
    times.append(tick);
  }
  axis.append(element("span", "", ""), times, element("span", "number", milliseconds(data.duration)));
}

function draw() {
  const first = Math.max(Math.floor(box.scrollTop / height()) - 10, 0);
  const last = Math.min(Math.ceil((box.scrollTop + box.clientHeight) / height()) + 10, visibleSpans.length);
  const visible = [];
  for (let position = first; position < last; position += 1) visible.push(row(visibleSpans[position], position));
  rows.replaceChildren(...visible);
  box.setAttribute("aria-activedescendant", selected < 0 ? "" : `span-${selected}`);
}

function fold(index, on = !folded[index]) {
  if (index < 0 || ends[index] === index + 1) return;
  folded[index] = on ? 1 : 0;
  computeShown();
  draw();
}

function reveal(index) {
  for (let above = 0; above < index; above += 1) if (folded[above] && ends[above] > index) folded[above] = 0;
  computeShown();
  const top = visibleSpans.indexOf(index) * height();
  const visible = box.clientHeight - axis.offsetHeight;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + height() > box.scrollTop + visible) box.scrollTop = top + height() - visible;
}

function select(index) {
  selected = index;
  if (index >= 0) reveal(index);
  draw();
}

function step(by) {
  const position = visibleSpans.indexOf(selected);
  select(visibleSpans[Math.min(Math.max(position + by, 0), visibleSpans.length - 1)]);
}

// --- the details of one span ---------------------------------------------------------------------------------

function list(entries) {
  const created = element("dl", "facts");
  for (const [name, ...values] of entries) {
    const value = element("dd", "");
    for (const part of values) value.append(part instanceof Node ? part : element("code", "", part));
    created.append(element("dt", "", name), value);
  }
  return created;
}

function link(trace, span) {
  const created = element("a", "", `${trace.slice(0, 8)}… ${span}`);
  created.href = `/traces/${encodeURIComponent(trace)}?span=${encodeURIComponent(span)}`;
  return created;
}

function button(text, action) {
  const created = element("button", "", text);
  created.type = "button";
  created.addEventListener("click", action);
  return created;
}

function showDetails(span) {
  const after = (time) => `+${milliseconds(time - data.start)}`;
  const close = button("Close", () => hide());
  const head = element("div", "bar");
  head.append(element("h2", "", span.name), close);
  const links = span.links.map((linked) => ["link", link(linked.trace, linked.span)]);
  panel.replaceChildren(
    head,
    list([
      ["service", span.service], ["kind", span.kind], ["starts", `${after(span.start)} (${clock(span.start)})`],
      ["duration", milliseconds(span.duration)], ["status", span.status],
      ...(span.message ? [["message", span.message]] : []), ...links,
    ]),
    element("h3", "", "Attributes"),
    Object.keys(span.attributes).length ? list(Object.entries(span.attributes)) : element("p", "dim", "The span has no attributes."),
  );
  for (const event of span.events) {
    panel.append(element("h3", "", `Event ${event.name} ${after(event.time)}`), list(Object.entries(event.attributes)));
  }
  panel.append(element("h3", "", "Log records"));
  if (!span.logs.length) panel.append(element("p", "dim", "The span has no log records."));
  for (const log of span.logs) panel.append(element("pre", `line ${log.level}`, `${after(log.time)} ${log.text}`));
  const tools = element("p", "buttons");
  tools.append(
    button("Copy id", () => copy(span.id)),
    button("Copy link", () => copy(location.href)),
  );
  panel.append(tools);
  panel.hidden = false;
  draw();
}

function hide() {
  panel.hidden = true;
  setParameter("span", "");
  select(-1);
  box.focus({ preventScroll: true });
}

async function open(index) {
  if (index < 0) return;
  select(index);
  setParameter("span", data.id[index]);
  try {
    const span = await read(`/spans/${encodeURIComponent(data.id[index])}`);
    if (index === selected) showDetails(span);
  } catch (error) {
    notice(`The span cannot be read: ${error.message}`, "bad");
  }
}

// --- search --------------------------------------------------------------------------------------------------

async function find() {
  const text = search.value;
  setParameter("text", text);
  try {
    const items = text ? (await read("/spans", { text })).items : [];
    if (text !== search.value) return;
    matches = new Set(items);
  } catch (error) {
    notice(`The spans cannot be searched: ${error.message}`, "bad");
    return;
  }
  count.textContent = text ? `${matches.size} of ${data.id.length} spans` : "";
  if (matches.size && !matches.has(data.id[selected])) next(1);
  else draw();
}

function next(by) {
  const size = data.id.length;
  for (let step = 1; step <= size; step += 1) {
    const index = (selected + by * step + 2 * size) % size;
    if (matches.has(data.id[index])) {
      select(index);
      return;
    }
  }
}

// --- start ---------------------------------------------------------------------------------------------------

async function start() {
  try {
    data = await read("/waterfall");
  } catch (error) {
    box.append(element("p", "empty", `The spans cannot be read: ${error.message}`));
    return;
  }
  ends = computeEnds(data);
  folded = new Uint8Array(data.id.length);
  rows.className = "rows";
  rows.setAttribute("role", "rowgroup");
  drawAxis();
  box.append(axis, rows);
  computeShown();
  draw();
  search.value = parameter("text");
  if (search.value) await find();
  await open(data.id.indexOf(parameter("span")));
  box.addEventListener("scroll", draw);
  addEventListener("resize", () => {
    computeShown();
    draw();
  });
  box.addEventListener("click", (event) => {
    const index = Number(event.target.closest(".span")?.dataset.at ?? -1);
    if (event.target.closest(".fold")?.textContent) fold(index);
    else open(index);
  });
  box.addEventListener("keydown", (event) => {
    const actions = {
      ArrowDown: () => step(1), ArrowUp: () => step(-1), Home: () => select(visibleSpans[0]), End: () => select(visibleSpans.at(-1)),
      ArrowRight: () => fold(selected, false), ArrowLeft: () => fold(selected, true), " ": () => fold(selected),
    };
    if (!actions[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    actions[event.key]();
    event.preventDefault();
  });
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 200);
  });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") next(event.shiftKey ? -1 : 1); });
  foldAll.addEventListener("click", () => {
    const on = foldAll.getAttribute("aria-pressed") !== "true";
    foldAll.setAttribute("aria-pressed", String(on));
    folded.fill(0);
    if (on) for (let index = 0; index < ends.length; index += 1) if (ends[index] > index + 1) folded[index] = 1;
    computeShown();
    draw();
  });
  Object.assign(keys, {
    j: () => step(1),
    k: () => step(-1),
    e: () => {
      const index = data.error.findIndex((isError, position) => isError && position > selected);
      if (index < 0) notice("No more errors were found.");
      else select(index);
    },
    n: () => next(1),
    Enter: () => open(selected),
    Escape: hide,
  });
}

if (box) start();
