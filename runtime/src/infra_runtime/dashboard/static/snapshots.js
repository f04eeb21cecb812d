import { change, confirmed, mayAct, refuse } from "./actions.js";
import { notice } from "./notices.js";

const run = (button, name, action) => change(button, name, `/api/v1/snapshots/${encodeURIComponent(name)}/${action}`);

const rows = () => [...document.querySelectorAll("[data-snapshot]")];

async function save(form) {
  const name = form.elements.name.value;
  const isReplaced = rows().some((row) => row.dataset.snapshot === name);
  const text = "The services in the snapshot are paused while their data is copied."
    + (isReplaced ? " The snapshot with this name is replaced." : "");
  if (!(await confirmed(`Save ${name}?`, text, [], isReplaced ? "Replace" : "Save"))) return;
  await run(form.querySelector("button"), name, "save");  // the stream of the page shows the new snapshot
}

async function restore(button) {
  const { snapshot: name, services } = button.closest("[data-snapshot]").dataset;
  const text = "The data of these services is replaced by the data in the snapshot. Later changes are lost, and connections are closed:";
  if (!(await confirmed(`Restore ${name}?`, text, services.split(" ").filter(Boolean), "Restore"))) return;
  if (await run(button, name, "restore")) notice(`${name} is restored.`);
}

async function remove(button) {
  const { snapshot: name } = button.closest("[data-snapshot]").dataset;
  const text = "The files of the snapshot are deleted. The data of the services does not change.";
  if (!(await confirmed(`Remove ${name}?`, text, [], "Remove"))) return;
  if (await run(button, name, "remove")) notice(`${name} is removed.`);
}

document.querySelector("[data-snapshot-save]").addEventListener("submit", (event) => {
  event.preventDefault();
  if (mayAct()) save(event.target);
  else refuse();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-snapshot-restore], [data-snapshot-remove]");
  if (!button) return;
  if (!mayAct()) refuse();
  else if ("snapshotRemove" in button.dataset) remove(button);
  else restore(button);
});
