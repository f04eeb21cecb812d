// Changes an element to the state of another one, and keeps the nodes that both have, with their focus.
export function morph(old, next) {
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName || old.id !== next.id) {
    old.replaceWith(next);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  if (old.classList.contains("selected")) next.classList.add("selected");
  if (old.localName === "details" && old.open) next.open = true;  // the user has opened it
  if (old.dataset.clock !== next.dataset.clock) old.textContent = "";
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (old.hasAttribute("data-since") || old.hasAttribute("data-clock")) return;  // the page writes these texts
  const before = [...old.childNodes];
  const after = [...next.childNodes];
  after.forEach((node, number) => (before[number] ? morph(before[number], node) : old.append(node)));
  before.slice(after.length).forEach((node) => node.remove());
}

// The server has escaped all values, and the policy of the page forbids scripts in it.
export function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}
