// The keys of all pages. A page adds its own keys with `keys.x = function`.
export const keys = {};
let isGoing = false;

const isField = (element) => element?.matches?.("input, textarea, select, [contenteditable]");
const items = () => [...document.querySelectorAll("[data-item]")].filter((item) => item.offsetParent);

function move(step) {
  const all = items();
  if (!all.length) return;
  const now = all.findIndex((item) => item.classList.contains("selected"));
  const next = all[Math.min(Math.max(now + step, 0), all.length - 1)];
  all[now]?.classList.remove("selected");
  next.classList.add("selected");
  next.scrollIntoView({ block: "nearest" });
  (next.querySelector("[data-open]") ?? next).focus?.({ preventScroll: true });
}

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isField(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (isGoing) {
      isGoing = false;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) location.assign(link.href);
      return;
    }
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;  // the browser opens the element
    const own = keys[event.key];
    if (own) own();
    else if (event.key === "g") {
      isGoing = true;
      setTimeout(() => { isGoing = false; }, 1500);
    } else if (event.key === "/") {
      const field = document.getElementById("search");
      if (field) field.focus();
      else location.assign("/search");
    }
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "?") document.getElementById("help").showModal();
    else return;
    event.preventDefault();
  });
}
