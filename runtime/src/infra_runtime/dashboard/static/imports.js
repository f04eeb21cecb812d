// Sends a chosen file to the API, and opens what was imported.
import { mayAct, post, refuse } from "./actions.js";
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
    input.value = "";  // the same file can be chosen again
  }
}

for (const button of document.querySelectorAll("[data-import-button]")) {
  const input = button.parentElement.querySelector("[data-import]");
  button.addEventListener("click", () => (mayAct() ? input.click() : refuse()));
  input.addEventListener("change", () => send(input));
}
