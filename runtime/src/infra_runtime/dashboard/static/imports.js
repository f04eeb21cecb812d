// Sends a selected file to the API, opens the imported report or trace, and removes imported failure reports.
import { change, confirmed, mayAct, post, refuse } from "./actions.js";
import { notice } from "./notices.js";

async function send(input) {
  const [file] = input.files;
  if (!file) return;
  try {
    const response = await post(input.dataset.import, file);
    const result = await response.json();
    if (!response.ok) notice(result.detail, "bad");
    else if (result.rejected) notice(`${result.rejected} spans were rejected.`, "bad");
    else if (result.items.length === 1) location.assign(`${location.pathname}/${result.items[0]}`);
    else location.reload();
  } catch (error) {
    notice(`${file.name}: the dashboard does not answer (${error.message}).`, "bad");
  } finally {
    input.value = "";  // so that the same file can be selected again
  }
}

for (const button of document.querySelectorAll("[data-import-button]")) {
  const input = button.parentElement.querySelector("[data-import]");
  button.addEventListener("click", () => (mayAct() ? input.click() : refuse()));
  input.addEventListener("change", () => send(input));
}

async function remove(button) {
  const { removeReport: id, test } = button.dataset;
  const text = "The files of the imported report are deleted. The ZIP file of the import is not changed.";
  if (!(await confirmed(`Remove the report of ${test}?`, text, [], "Remove"))) return;
  if (!(await change(button, test, `/api/v1/tests/${encodeURIComponent(id)}/remove`))) return;
  if (location.pathname === "/tests") notice(`The report of ${test} is removed.`);
  else location.assign("/tests");
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-remove-report]");
  if (button) (mayAct() ? remove(button) : refuse());
});
