// The fields of a line (service, level, fields of JSON), each with buttons that select or exclude lines with its value.
import { stripped } from "./ansi.js";

const MOST = 200;  // the largest number of fields on the page
const OWN = new Set(["level", "service", "text"]);  // the names of conditions that do not refer to fields of JSON

// Calls `add` with the path and the value of each field; the items of a list have the path of the list.
function visit(path, value, add) {
  if (Array.isArray(value)) for (const item of value) visit(path, item, add);
  else if (typeof value === "object" && value !== null) {
    for (const [key, inner] of Object.entries(value)) visit(path ? `${path}.${key}` : key, inner, add);
  } else add(path, String(value));
}

function fields(line) {
  const pairs = [["service", line.service]];
  if (line.level) pairs.push(["level", line.level]);
  try {
    const value = JSON.parse(stripped(line.text));
    if (typeof value === "object" && value !== null) {
      visit("", value, (path, text) => { if (path && !OWN.has(path)) pairs.push([path, text]); });
    }
  } catch { /* a text has no further fields */ }
  return pairs;
}

function button(kind, name, value) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "quiet";
  element.dataset.condition = kind;
  element.dataset.value = `${name}=${value}`;
  element.textContent = kind === "include" ? "+" : "−";
  element.title = kind === "include" ? "Only lines with this value" : "No lines with this value";
  element.ariaLabel = `${element.title}: ${name} ${value}`;
  return element;
}

function copyButton(text, name) {
  const element = document.createElement("button");
  element.type = "button";
  element.dataset[name] = "";
  element.textContent = text;
  return element;
}

export function details(line) {
  const element = document.createElement("div");
  element.className = "detail";
  const pairs = fields(line);
  for (const [name, value] of pairs.slice(0, MOST)) {
    const row = document.createElement("div");
    const key = document.createElement("span");
    key.className = "dim";
    key.textContent = ` ${name}: `;
    row.append(button("include", name, value), button("exclude", name, value), key, value);
    element.append(row);
  }
  if (pairs.length > MOST) element.append(`${pairs.length - MOST} further fields`);
  const tools = document.createElement("p");
  tools.className = "buttons";
  tools.append(copyButton("Copy line", "copyLine"), copyButton("Copy link", "copyLink"));
  element.append(tools);
  return element;
}

// A condition in the form of the filters, with a button that removes it.
export function chip(kind, text) {
  const element = document.createElement("span");
  element.className = "chip condition";
  const input = document.createElement("input");
  input.type = "hidden";
  input.name = kind;
  input.value = text;
  const remove = document.createElement("button");
  remove.type = "button";
  remove.className = "quiet";
  remove.dataset.remove = "";
  remove.textContent = "×";
  remove.ariaLabel = `Remove the filter ${text}`;
  element.append(input, kind === "include" ? text : `not ${text}`, remove);
  return element;
}
