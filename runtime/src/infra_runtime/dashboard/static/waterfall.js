// The spans of a trace: rows of one height, of which only the visible ones are in the page. The server sends one
// list for each field; a folded span leaves out the rows up to its end.
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
let ends = null;  // span → the first span after those below it
let folded = null;
let shown = [];  // the spans that are neither folded nor left out
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
  depth.forEach((level, at) => {
    while (open.length && depth[open.at(-1)] >= level) ends[open.pop()] = at;
    open.push(at);
  });
  return ends;
}

function computeShown() {
  shown = [];
  for (let at = 0; at < data.depth.length; at = folded[at] ? ends[at] : at + 1) shown.push(at);
  rows.style.height = `${shown.length * height()}px`;
}

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function row(at, place) {
  const made = element("div", "span");
  made.id = `span-${at}`;
  made.dataset.at = at;
  made.style.top = `${place * height()}px`;
  made.setAttribute("role", "row");
  made.setAttribute("aria-rowindex", at + 1);
  made.setAttribute("aria-level", data.depth[at] + 1);
  made.setAttribute("aria-selected", String(at === selected));
  const hasChildren = ends[at] > at + 1;
  if (hasChildren) made.setAttribute("aria-expanded", String(!folded[at]));
  if (at === selected) made.classList.add("selected");
  if (matches.has(data.id[at])) made.classList.add("match");
  const what = element("span", "what");
  const service = data.service_of[at];
  what.setAttribute("role", "gridcell");
  what.style.paddingLeft = `${Math.min(data.depth[at], 20) * 14}px`;
  what.append(element("span", "fold", hasChildren ? (folded[at] ? "▸" : "▾") : ""));
  if (data.error[at]) what.append(element("span", "bad", "✕ "), element("span", "hidden", "error "));
  const name = data.names[data.name_of[at]];
  what.append(element("b", "", name), element("span", `of span-service-${service % 6}`, data.services[service]));
  what.title = `${name} (${data.services[service]})`;
  const bars = element("span", "bars");
  bars.setAttribute("role", "gridcell");
  const bar = element("i", `bar${data.error[at] ? " bad" : ` service-bar-${service % 6}`}`);
  bar.style.left = `${(data.offset[at] / data.duration) * 100}%`;
  bar.style.width = `max(2px, ${(data.length[at] / data.duration) * 100}%)`;
  bars.append(bar);
  const length = element("span", "number", milliseconds(data.length[at]));
  length.setAttribute("role", "gridcell");
  made.append(what, bars, length);
  return made;
}

// The times above the bars; screen readers have the durations of the spans.
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
  const last = Math.min(Math.ceil((box.scrollTop + box.clientHeight) / height()) + 10, shown.length);
  const visible = [];
  for (let place = first; place < last; place += 1) visible.push(row(shown[place], place));
  rows.replaceChildren(...visible);
  box.setAttribute("aria-activedescendant", selected < 0 ? "" : `span-${selected}`);
}

function fold(at, on = !folded[at]) {
  if (at < 0 || ends[at] === at + 1) return;
  folded[at] = on ? 1 : 0;
  computeShown();
  draw();
}

function reveal(at) {
  for (let above = 0; above < at; above += 1) if (folded[above] && ends[above] > at) folded[above] = 0;
  computeShown();
  const top = shown.indexOf(at) * height();
  const visible = box.clientHeight - axis.offsetHeight;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + height() > box.scrollTop + visible) box.scrollTop = top + height() - visible;
}

function select(at) {
  selected = at;
  if (at >= 0) reveal(at);
  draw();
}

function step(by) {
  const place = shown.indexOf(selected);
  select(shown[Math.min(Math.max(place + by, 0), shown.length - 1)]);
}

// --- the details of one span ---------------------------------------------------------------------------------

function list(entries) {
  const made = element("dl", "facts");
  for (const [name, ...values] of entries) {
    const value = element("dd", "");
    for (const part of values) value.append(part instanceof Node ? part : element("code", "", part));
    made.append(element("dt", "", name), value);
  }
  return made;
}

function link(trace, span) {
  const made = element("a", "", `${trace.slice(0, 8)}… ${span}`);
  made.href = `/traces/${encodeURIComponent(trace)}?span=${encodeURIComponent(span)}`;
  return made;
}

function button(text, action) {
  const made = element("button", "", text);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
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

async function open(at) {
  if (at < 0) return;
  select(at);
  setParameter("span", data.id[at]);
  try {
    const span = await read(`/spans/${encodeURIComponent(data.id[at])}`);
    if (at === selected) showDetails(span);
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
    const at = (selected + by * step + 2 * size) % size;
    if (matches.has(data.id[at])) {
      select(at);
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
    const at = Number(event.target.closest(".span")?.dataset.at ?? -1);
    if (event.target.closest(".fold")?.textContent) fold(at);
    else open(at);
  });
  box.addEventListener("keydown", (event) => {
    const actions = {
      ArrowDown: () => step(1), ArrowUp: () => step(-1), Home: () => select(shown[0]), End: () => select(shown.at(-1)),
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
    if (on) for (let at = 0; at < ends.length; at += 1) if (ends[at] > at + 1) folded[at] = 1;
    computeShown();
    draw();
  });
  Object.assign(keys, {
    j: () => step(1),
    k: () => step(-1),
    e: () => {
      const at = data.error.findIndex((isError, place) => isError && place > selected);
      if (at < 0) notice("No more errors were found.");
      else select(at);
    },
    n: () => next(1),
    Enter: () => open(selected),
    Escape: hide,
  });
}

if (box) start();
