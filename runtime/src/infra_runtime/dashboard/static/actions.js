import { copy, notice } from "./notices.js";

const token = () => document.querySelector('meta[name="header-token"]').content;

export function post(path, body = null) {
  return fetch(path, { method: "POST", headers: { "x-dashboard-token": token() }, body });
}

// Sends a change, and shows the reason if it fails. Returns the answer, or null after a failure.
export async function change(button, name, path) {
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  try {
    const response = await post(path);
    const result = await response.json();
    if (!response.ok) notice(result.detail, "bad");
    for (const failure of result.failures ?? []) notice(`${failure.service}: ${failure.reason}`, "bad");
    return response.ok && !result.failures?.length ? result : null;
  } catch (error) {
    notice(`${name}: the dashboard does not answer (${error.message}).`, "bad");
    return null;
  } finally {
    button.removeAttribute("aria-busy");
    button.disabled = false;
  }
}

const WORDS = { start: ["Start", "started"], stop: ["Stop", "stopped"], restart: ["Restart", "restarted"] };

export const mayAct = () => document.body.dataset.mayAct === "true";

export function refuse() {
  notice("The role of this session does not permit changes. `infra runtime open --role operator` opens a link for this role.");
}

// Asks for a confirmation; `names` are the affected services.
export function confirmed(title, text, names, word) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("h2").textContent = title;
  dialog.querySelector("[data-confirm-text]").textContent = text;
  dialog.querySelector("[data-confirm-list]").replaceChildren(...names.map((name) => {
    const item = document.createElement("li");
    item.className = "chip";
    item.textContent = name;
    return item;
  }));
  dialog.querySelector("[data-confirm-button]").textContent = word;
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
  });
}

// Shows the affected services first, if there are any.
function allowed(action, service, dependents) {
  if (action === "start" || !dependents.length) return Promise.resolve(true);
  const [word, past] = WORDS[action];
  const text = `While ${service} is ${past}, these services keep running but cannot use it:`;
  return confirmed(`${word} ${service}?`, text, dependents, word);
}

async function act(button) {
  const { action } = button.dataset;
  const { service, dependents: names } = button.closest("[data-service]").dataset;
  const dependents = names.split(" ").filter(Boolean);
  if (!(await allowed(action, service, dependents))) return;
  button.setAttribute("aria-busy", "true");
  try {
    const response = await post(`/api/v1/services/${encodeURIComponent(service)}/${action}`);
    const result = await response.json();
    if (!response.ok) notice(`${service}: ${result.detail}`, "bad");
    else if (result.failures.length) {
      for (const failure of result.failures) notice(`${failure.service}: ${failure.reason}`, "bad");
    } else notice(`${service} is ${result.services.find((other) => other.name === service)?.phase ?? "done"}.`);
  } catch (error) {
    notice(`${service}: the dashboard does not answer (${error.message}).`, "bad");
  } finally {
    button.removeAttribute("aria-busy");
  }
}

export function listen() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.action) {
      if (button.getAttribute("aria-disabled")) notice(`${button.title}.`);
      else if (mayAct()) act(button);
      else refuse();
    } else if (button.dataset.copy) copy(button.dataset.copy);
    else if ("logout" in button.dataset) post("/logout").then(() => location.assign("/login"));
  });
}
