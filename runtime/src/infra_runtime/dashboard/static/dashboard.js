import * as actions from "./actions.js";
import { parameter, setParameter } from "./address.js";
import * as keyboard from "./keys.js";
import { morph, parsed } from "./morph.js";
import { showConnection, stream } from "./stream.js";
import { nameTimes, showTimes } from "./times.js";

// --- live parts --------------------------------------------------------------------------------------------

function update({ parts, order }) {
  for (const [id, html] of Object.entries(parts)) {
    const old = document.getElementById(id);
    if (old) morph(old, parsed(html));
  }
  for (const [id, names] of Object.entries(order)) {
    const list = document.getElementById(id);
    if (!list) continue;
    const elements = names.map((name) => document.getElementById(name) ?? (parts[name] && parsed(parts[name])));
    const wanted = elements.filter(Boolean);
    const isSame = wanted.length === list.children.length && wanted.every((element, at) => element === list.children[at]);
    if (!isSame) list.replaceChildren(...wanted);
  }
  showTimes();
  filter();
  document.dispatchEvent(new Event("parts"));
}

if (document.body.dataset.stream) {
  stream(
    () => document.body.dataset.stream,
    { parts: (data) => { showConnection(true); update(data); }, lost: (text) => showConnection(false, text) },
  );
}
showTimes();
nameTimes();
setInterval(showTimes, 1000);

// --- the filter of a list, in the address ------------------------------------------------------------------

const field = document.querySelector("[data-filter]");
const group = document.querySelector("[data-group-filter]");

function filter() {
  if (!field) return;
  const text = field.value.toLowerCase();
  let shown = 0;
  for (const item of document.querySelectorAll(field.dataset.filter)) {
    const isInGroup = !group?.value || item.dataset.group === group.value;
    item.hidden = !isInGroup || !item.dataset.text.toLowerCase().includes(text);
    shown += item.hidden ? 0 : 1;
  }
  const empty = document.querySelector("[data-filter-empty]");
  if (empty) empty.hidden = shown > 0 || !(text || group?.value);
}

// The address of the page, and of its content in the API, get a new filter.
function changeFilter(name, value) {
  setParameter(name, value);
  filter();
  for (const link of document.querySelectorAll("[data-export]")) link.search = location.search;
}

if (field) {
  field.value = parameter("text");
  field.addEventListener("input", () => changeFilter("text", field.value));
  if (group) {
    group.value = parameter("group");
    group.addEventListener("change", () => changeFilter("group", group.value));
  }
  filter();
}
for (const flag of document.querySelectorAll("[data-flag]")) {
  flag.checked = parameter(flag.dataset.flag) !== "";
  flag.addEventListener("change", () => setParameter(flag.dataset.flag, flag.checked ? "1" : ""));
}

// --- filters that a narrow screen shows after a click ------------------------------------------------------

for (const sheet of document.querySelectorAll(".sheet")) {
  const isUsed = (element) =>
    element.type === "checkbox" ? element.checked : element.selectedIndex > 0 || (element.type === "text" && element.value !== "");
  const count = () => {
    const used = [...sheet.form.elements].filter(isUsed).length;
    sheet.textContent = used ? `Filters (${used})` : "Filters";
  };
  sheet.form.addEventListener("input", count);
  sheet.addEventListener("click", () => {
    sheet.setAttribute("aria-expanded", String(sheet.getAttribute("aria-expanded") !== "true"));
  });
  count();
}

// --- theme, help -------------------------------------------------------------------------------------------

const THEMES = ["system", "light", "dark"];
const root = document.documentElement;

function nameTheme() {
  document.querySelector("[data-theme-word]").textContent = `Theme: ${root.dataset.theme ?? "system"}`;
}

document.querySelector("[data-theme-switch]")?.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
  if (next === "system") delete root.dataset.theme;
  else root.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch { /* the browser stores nothing for this page */ }
  nameTheme();
});
nameTheme();
document.querySelector("[data-help]")?.addEventListener("click", () => document.getElementById("help").showModal());

actions.listen();
keyboard.listen();
