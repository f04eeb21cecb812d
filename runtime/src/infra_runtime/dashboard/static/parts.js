// Replaces the parts of a page that a stream has sent, and changes their order.
import { morph, parsed } from "./morph.js";
import { showConnection } from "./stream.js";
import { showTimes } from "./times.js";

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
  document.dispatchEvent(new Event("parts"));
}

export const partListeners = {
  parts: (data) => {
    showConnection(true);
    update(data);
  },
  lost: (text) => showConnection(false, text),
};
