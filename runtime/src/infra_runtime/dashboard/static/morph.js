// Changes the element `old` to the state of `next`, and keeps the nodes that exist in both, with their focus.
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
  if (old.hasAttribute("data-since") || old.hasAttribute("data-clock")) return;  // the script `times.js` writes these texts
  morphChildren(old, [...next.childNodes]);
}

// An element with an id keeps its state even if elements are inserted before it.
function morphChildren(parent, nodes) {
  const existing = new Map([...parent.children].filter(({ id }) => id).map((element) => [element.id, element]));
  const wanted = new Set(nodes.map(({ id }) => id));
  let current = parent.firstChild;
  for (const node of nodes) {
    const same = existing.get(node.id);
    const following = current?.nextSibling ?? null;
    if (same) {
      if (same === current) current = following;
      else parent.insertBefore(same, current);
      morph(same, node);
    } else if (current && !(current.id && wanted.has(current.id))) {
      morph(current, node);
      current = following;
    } else parent.insertBefore(node, current);
  }
  while (current) {
    const following = current.nextSibling;
    current.remove();
    current = following;
  }
}

// The server has escaped all values, and the policy of the page forbids scripts in it.
export function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content.firstElementChild;
}
