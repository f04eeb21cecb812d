// The log view: the page contains at most ROWS rows. Lines that arrive while the view does not follow are only counted;
// when the view returns to the end, the lines are read again, so that no line is lost.
import { parameter, setParameter } from "./address.js";
import { rendered, stripped } from "./ansi.js";
import { keys } from "./keys.js";
import { chip, details } from "./log_details.js";
import { note, startNotes } from "./log_notes.js";
import { copy, notice } from "./notices.js";
import { partListeners } from "./parts.js";
import { store, stored } from "./storage.js";
import { stream } from "./stream.js";
import { clock, zone } from "./times.js";

const ROWS = 1500;
const box = document.getElementById("log");
const tools = document.querySelector("[data-log-tools]");
const filters = document.querySelector("[data-log-filters]");
const PALETTE = 8;
const BEFORE = 5;  // the seconds before a linked line whose lines are also shown
let first = "";
let last = "";
let hasEarlier = false;
let isLoading = false;
let isFollowing = true;
let isPaused = false;  // paused by a key or a button: a scroll to the end does not continue the view
let arrived = 0;
let endStream = () => {};
let reloads = 0;
let selected = null;
const colours = new Map();

function query(more = {}) {
  const parameters = new URLSearchParams();
  for (const name of box.dataset.services.split(" ").filter(Boolean)) parameters.append("service", name);
  if (filters) for (const [name, value] of new FormData(filters)) if (value) parameters.append(name, value);
  for (const [name, value] of Object.entries(more)) if (value) parameters.set(name, value);
  return parameters.toString();
}

function colour(service) {
  if (!colours.has(service)) colours.set(service, colours.size % PALETTE);
  return `service-${colours.get(service)}`;
}

// --- times: in the zone of the browser, in UTC, since the start of the time range, or hidden -------------------

const MODES = ["local", "UTC", "relative", "off"];
let mode = "local";
let start = NaN;  // Unix seconds

function shownTime(seconds) {
  if (mode === "UTC") return clock(seconds, "UTC");
  if (mode !== "relative") return clock(seconds);
  if (Number.isNaN(start)) start = Date.parse(filters?.elements.since.value ?? "") / 1000 || seconds;
  return `${seconds < start ? "" : "+"}${(seconds - start).toFixed(3)} s`;
}

function setMode(next) {
  mode = MODES.includes(next) ? next : "local";
  const button = tools.querySelector("[data-times]");
  button.textContent = `Times: ${mode}`;
  const titles = { local: zone(), UTC: "UTC", relative: "Since the start of the time range, or the first line", off: "Hidden" };
  button.title = `${titles[mode]} (t)`;
  box.classList.toggle("times", mode !== "off");
  for (const line of box.querySelectorAll(".line:not(.note)")) line.querySelector("time").textContent = shownTime(line.line.time);
  store("times", mode);
}

const nextMode = () => setMode(MODES[(MODES.indexOf(mode) + 1) % MODES.length]);

function row(line) {
  const element = document.createElement("div");
  element.className = `line ${line.level}${line.continues ? " further" : ""}`;
  element.dataset.service = line.service;
  element.line = line;
  const time = document.createElement("time");
  time.textContent = shownTime(line.time);
  time.dataset.clock = line.time;  // for the title of the element
  element.append(time);
  if (!box.dataset.services) {
    const name = document.createElement("span");
    name.className = `who ${colour(line.service)}`;
    name.textContent = line.service;
    name.title = line.service;
    element.append(name);
  }
  const text = document.createElement("span");
  text.className = "text";
  text.append(rendered(line.text));
  if (line.cut) {
    const mark = document.createElement("span");
    mark.className = "chip warn";
    mark.textContent = "the rest of the line is cut";
    text.append(" ", mark);
  }
  element.append(text);
  return element;
}

// Returns the rows of lines, with a note before the first line of each later run of the stack. `before` is the time
// of the line above the rows.
function rows(lines, before = Infinity) {
  return lines.flatMap((line, at) => [...startNotes(at ? lines[at - 1].time : before, line.time), row(line)]);
}

function atEnd() {
  return box.scrollHeight - box.scrollTop - box.clientHeight < 30;
}

function follow(on, byScrolling = false) {
  isFollowing = on;
  isPaused = !on && !byScrolling;
  tools.querySelector("[data-follow]").setAttribute("aria-pressed", String(on));
  if (on) {
    if (arrived) reload();
    else box.scrollTop = box.scrollHeight;
  }
  showNew();
}

function showNew() {
  const button = tools.querySelector("[data-new]");
  button.hidden = !arrived;
  button.textContent = `${arrived} new`;
}

function append({ items, skipped }, id) {
  last = id || last;
  if (!isFollowing) {
    arrived += items.length;
    showNew();
    return;
  }
  box.querySelector(".empty")?.remove();
  const added = rows(items, box.lastElementChild?.line?.time);
  const reason = "they arrived faster than the page shows lines";
  if (skipped) added.unshift(note(`${skipped} bytes were skipped, because ${reason}`));
  box.append(...added.slice(-ROWS));
  while (box.childElementCount > ROWS) box.firstElementChild.remove();
  if (items.length && box.childElementCount === ROWS) hasEarlier = true;
  box.scrollTop = box.scrollHeight;
}

function refused(text) {
  endStream();
  notice(`New lines are not shown: ${text}`, "bad");
}

async function read(more) {
  const response = await fetch(`/api/v1/logs?${query(more)}`);
  const data = await response.json();
  if (!response.ok) throw new Error(data.detail);
  return data;
}

async function reload() {
  endStream();
  arrived = 0;
  reloads += 1;
  const reloadNumber = reloads;
  try {
    const data = await read();
    if (reloadNumber !== reloads) return;  // the filters have changed meanwhile
    ({ first, last } = data);
    start = NaN;
    hasEarlier = data.has_earlier;
    box.replaceChildren(...rows(data.items));
    if (!data.items.length) box.append(empty());
    box.scrollTop = box.scrollHeight;
    isFollowing = true;
    isPaused = false;
    tools.querySelector("[data-follow]").setAttribute("aria-pressed", "true");
    showNew();
    selectNamed();
    if (reloadNumber !== reloads) return;  // the lines before an older line are read instead
    openStream();
  } catch (error) {
    if (reloadNumber !== reloads) return;
    box.replaceChildren(note(`the lines cannot be read: ${error.message}`));
    if (!filters) openStream();  // without filters, the reason is not an invalid filter
  }
}

// The stream also sends the changes of the other parts of the page, because a browser opens at most six connections
// to an origin.
function openStream() {
  endStream = stream(() => `${box.dataset.stream}?${query({ after: last })}`, { ...partListeners, lines: append, refused });
}

function empty() {
  const element = document.createElement("p");
  element.className = "empty";
  const isFiltered = filters && [...new FormData(filters)].some(([, value]) => value);
  if (hasEarlier) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Search earlier lines";
    button.addEventListener("click", earlier);
    element.append("No line in the newest part of the logs matches the filters. ", button);
  } else if (isFiltered) element.textContent = "No line matches the filters. New lines that match appear here.";
  else element.textContent = "The log has no line yet. New lines appear here.";
  return element;
}

// Reads the lines before the first line. The cursor `first` also covers lines that were removed at the top.
async function earlier() {
  if (isLoading || !hasEarlier) return;
  isLoading = true;
  try {
    const data = await read({ before: first });
    first = data.first;
    hasEarlier = data.has_earlier;
    const none = box.querySelector(".empty");
    if (data.items.length) none?.remove();
    else none?.replaceWith(empty());
    const height = box.scrollHeight;
    const newest = data.items.at(-1)?.time;
    box.prepend(...rows(data.items), ...startNotes(newest, box.firstElementChild?.line?.time));
    box.scrollTop += box.scrollHeight - height;
    while (box.childElementCount > ROWS) box.lastElementChild.remove();
  } catch (error) {
    notice(`The earlier lines cannot be read: ${error.message}`, "bad");
  } finally {
    isLoading = false;
  }
}

const nameOf = (element) => `${element.line.service}:${element.line.offset}@${element.line.time}`;

// Selects the line in the address, and scrolls to this line. If the line is older than the visible lines, the filters
// are changed so that it is the last line: first the time range, and then the service.
function selectNamed() {
  const [name, seconds] = parameter("line").split("@");
  if (!name) return;
  const element = [...box.querySelectorAll(".line:not(.note)")].find(({ line }) => `${line.service}:${line.offset}` === name);
  if (element) {
    follow(false);
    select(element);
    return;
  }
  if (!filters || !Number(seconds)) return;
  const { since, until } = filters.elements;
  const service = filters.querySelector(`[name="service"][value="${CSS.escape(name.slice(0, name.lastIndexOf(":")))}"]`);
  if (!until.value) {
    const time = (offset) => new Date((Number(seconds) + offset) * 1000).toISOString();
    since.value = time(-BEFORE);
    until.value = time(0.001);
  } else if (service && !service.checked) service.checked = true;
  else return;
  applyFilters({ line: parameter("line") });
}

function select(element) {
  selected?.classList.remove("selected");
  selected = element;
  if (filters) setParameter("line", element ? nameOf(element) : "");
  if (!element) return;
  element.classList.add("selected");
  element.scrollIntoView({ block: "nearest" });
}

function step(by, matches = () => true) {
  const lines = [...box.querySelectorAll(".line:not(.note)")];
  let at = selected?.isConnected ? lines.indexOf(selected) + by : by > 0 ? 0 : lines.length - 1;
  while (lines[at] && !matches(lines[at])) at += by;
  if (lines[at]) {
    follow(false);
    select(lines[at]);
  } else notice("No more lines were found.");
}

// The fields of a line are shown below the line, until the next click.
function fold(element) {
  const open = element.querySelector(".detail");
  if (open) open.remove();
  else element.append(details(element.line));
}

// Adds a filter that selects or excludes the lines with a value.
function addCondition(kind, text) {
  if (!filters) {
    location.assign(`/logs?${query({ [kind]: text })}`);
    return;
  }
  if (new FormData(filters).getAll(kind).includes(text)) return;
  filters.querySelector("[data-conditions]").append(chip(kind, text));
  filters.dispatchEvent(new Event("input"));
}

function set(name, on) {
  tools.querySelector(`[data-${name}]`).setAttribute("aria-pressed", String(on));
  box.classList.toggle(name, on);
}

function toggle(name) {
  const on = !box.classList.contains(name);
  set(name, on);
  store(name, String(on));
}

// Sets the addresses of the link JSON (the newest 1000 lines) and of the downloads (all lines) for the filters of the page.
function nameExport() {
  if (filters) document.querySelector("[data-export]").href = `/api/v1/logs?${query({ limit: 1000 })}`;
  for (const link of tools.querySelectorAll("[data-download]")) {
    link.href = `/api/v1/logs.${link.dataset.download}?${query()}`;
  }
}

box.addEventListener("scroll", () => {
  if (box.scrollTop < 200) earlier();
  if (isFollowing && !atEnd()) follow(false, true);
  else if (!isFollowing && !isPaused && !arrived && atEnd()) follow(true);
});
box.addEventListener("click", (event) => {
  const element = event.target.closest(".line:not(.note)");
  const data = event.target.closest("button")?.dataset ?? {};
  if (data.condition) {
    addCondition(data.condition, data.value);
    return;
  }
  if ("copyLine" in data) {
    copy(stripped(element.line.text));
    return;
  }
  if ("copyLink" in data) {
    copy(`${location.origin}/logs?${query({ line: nameOf(element) })}`);
    return;
  }
  if (!element || String(getSelection())) return;
  select(element);
  if (!event.target.closest(".detail")) fold(element);
});
tools.addEventListener("click", (event) => {
  const data = event.target.closest("button")?.dataset ?? {};
  if ("follow" in data) follow(!isFollowing);
  else if ("new" in data) follow(true);
  else if ("wrap" in data) toggle("wrap");
  else if ("fold" in data) toggle("fold");
  else if ("times" in data) nextMode();
  else if ("clear" in data) {
    hasEarlier = false;
    box.replaceChildren();
  }
});
function applyFilters(more) {
  const text = query(more);
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
  nameExport();
  reload();
}

if (filters) {
  let waiting = 0;
  const apply = () => {
    clearTimeout(waiting);
    waiting = setTimeout(applyFilters, 200);
  };
  for (const kind of ["include", "exclude"]) {
    for (const text of new URLSearchParams(location.search).getAll(kind)) {
      filters.querySelector("[data-conditions]").append(chip(kind, text));
    }
  }
  filters.addEventListener("click", (event) => {
    if (!event.target.closest("[data-remove]")) return;
    event.target.closest(".condition").remove();
    apply();
  });
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
}
set("wrap", (stored("wrap") ?? String(matchMedia("(max-width: 56rem)").matches)) === "true");
set("fold", stored("fold") === "true");
setMode(stored("times"));
Object.assign(keys, {
  f: () => follow(true),
  p: () => follow(false),
  w: () => toggle("wrap"),
  z: () => toggle("fold"),
  t: nextMode,
  j: () => step(1),
  k: () => step(-1),
  Home: () => {
    follow(false);
    box.scrollTop = 0;
  },
  End: () => follow(true),
  e: () => step(1, (element) => element.matches(".error, .critical")),
  c: () => { if (selected) copy(stripped(selected.line.text)); },
  Enter: () => { if (selected) fold(selected); },
  Escape: () => select(null),
});
nameExport();
reload();
