"use strict";

const by = (id) => document.getElementById(id);
const form = by("search");
let selectedId = 0;
let view = "html";
let polling = null;

for (const [name, value] of new URLSearchParams(location.search)) {
  if (form.elements[name]) form.elements[name].value = value;
}

function element(name, text = "") {
  const created = document.createElement(name);
  created.textContent = text;
  return created;
}

function query(more = {}) {
  const parameters = new URLSearchParams(more);
  for (const input of form.elements) {
    if (input.name && input.value) parameters.set(input.name, input.value);
  }
  return `/api/messages?${parameters}`;
}

async function json(address, options = {}) {
  const response = await fetch(address, options);
  const data = await response.json();
  if (!response.ok) throw new Error(data.error);
  return data;
}

// Shows the list, waits until the next message arrives (at most 50 seconds), and repeats both steps.
async function follow() {
  polling?.abort();
  const current = polling = new AbortController();
  while (polling === current) {
    try {
      const data = await json(query(), { signal: current.signal });
      showList(data);
      const last = data.messages.at(-1)?.id ?? 0;
      await json(query({ after: last, wait: 50 }), { signal: current.signal });
    } catch (error) {
      if (current.signal.aborted) return;
      by("state").textContent = `no connection to the server: ${error.message}`;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

function showList({ messages, total, dropped }) {
  const lost = dropped ? `, ${dropped} older messages dropped` : "";
  by("state").textContent = `${messages.length} of ${total} messages${lost}`;
  by("none").textContent = messages.length ? "Select a message."
    : total ? "No message matches the filters." : "No message has arrived yet.";
  const ids = new Set(messages.map((message) => String(message.id)));
  for (const item of [...by("list").children]) if (!ids.has(item.dataset.id)) item.remove();
  // Existing rows are not moved, because a moved row would lose the focus or a click that has begun.
  let currentItem = by("list").firstElementChild;
  for (const message of [...messages].reverse()) {
    if (currentItem?.dataset.id === String(message.id)) currentItem = currentItem.nextElementSibling;
    else by("list").insertBefore(row(message), currentItem);
  }
}

function row(message) {
  const button = element("button");
  button.type = "button";
  button.dataset.id = message.id;
  button.setAttribute("aria-current", String(message.id === selectedId));
  const time = new Date(message.received * 1000).toLocaleString();
  button.append(
    element("b", message.subject || "(no subject)"),
    element("span", `${message.author || message.sender} → ${message.recipients.join(", ")}`),
    element("span", `${time}, ${message.size} bytes`),
  );
  button.addEventListener("click", () => open(message.id));
  const item = element("li");
  item.dataset.id = message.id;
  item.append(button);
  return item;
}

async function open(id) {
  const message = await json(`/api/messages/${id}`);
  selectedId = id;
  history.replaceState(null, "", `#${id}`);
  for (const button of by("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(Number(button.dataset.id) === id));
  }
  by("subject").textContent = message.subject || "(no subject)";
  by("envelope").replaceChildren(...[
    ["from", message.author || "(no header From)"],
    ...(message.author === message.sender ? [] : [["envelope", message.sender || "<>"]]),
    ["to", message.recipients.join(", ")],
    ...(message.login ? [["login", message.login]] : []),
  ].flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  by("raw").href = message.raw_url;
  by("attachments").replaceChildren(...message.attachments.map((attachment) => {
    const link = element("a", attachment.name || "attachment");
    link.href = attachment.url;
    const item = element("li");
    item.append(link, ` ${attachment.type}, ${attachment.size} bytes`);
    return item;
  }));
  by("links").replaceChildren(...links(message).map((address) => {
    const link = element("a", address);
    link.href = address;
    link.target = "_blank";
    link.rel = "noreferrer noopener";
    const item = element("li");
    item.append(link);
    return item;
  }));
  by("html").src = `/api/messages/${id}/html`;
  by("text").textContent = message.text;
  by("headers").replaceChildren(...message.headers.map(([name, value]) => {
    const row = element("tr");
    row.append(element("th", name), element("td", value));
    return row;
  }));
  by("message").hidden = false;
  by("none").hidden = true;
  show(message.html ? "html" : "text");
}

// The sandbox of the HTML does not open links, so the page lists the first 50 web addresses. A document of DOMParser does
// not load files.
function links(message) {
  const parsed = new DOMParser().parseFromString(message.html, "text/html");
  const addresses = [...parsed.querySelectorAll("a[href]")].map((link) => link.getAttribute("href"));
  addresses.push(...message.text.match(/https?:\/\/[^\s<>"]+/g) ?? []);
  return [...new Set(addresses)].filter((address) => /^https?:\/\//i.test(address)).slice(0, 50);
}

function show(name) {
  view = name;
  for (const id of ["html", "text", "headers"]) by(id).hidden = id !== view;
  for (const button of by("views").querySelectorAll("[data-view]")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
}

by("views").addEventListener("click", (event) => {
  if (event.target.dataset.view) show(event.target.dataset.view);
});
function close() {
  selectedId = 0;
  history.replaceState(null, "", location.pathname + location.search);
  by("message").hidden = true;
  by("none").hidden = false;
}

by("delete").addEventListener("click", async () => {
  await json(`/api/messages/${selectedId}`, { method: "DELETE" });
  close();
  follow();
});
by("clear").addEventListener("click", async () => {
  if (!confirm("Delete all messages of this list?")) return;
  await json(query(), { method: "DELETE" });
  close();
  follow();
});
form.addEventListener("input", follow);
form.addEventListener("submit", (event) => event.preventDefault());
follow();
if (/^#\d+$/.test(location.hash)) open(Number(location.hash.slice(1))).catch(close);
