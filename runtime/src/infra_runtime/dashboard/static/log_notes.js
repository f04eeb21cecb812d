// The notes between the lines of the log view.
import { dateAndTime } from "./times.js";

const { starts = "" } = document.getElementById("log").dataset;
const times = starts.split(" ").filter(Boolean).map(Number);  // Unix seconds, the newest first

export function note(text, kind = "") {
  const element = document.createElement("div");
  element.className = `line note ${kind}`;
  element.textContent = text;
  return element;
}

// Returns a list with a note if the stack has started between two lines, and otherwise an empty list. `before` and
// `after` are the Unix times of the lines.
export function startNotes(before, after) {
  const start = times.find((time) => before < time && time <= after);
  return start ? [note(`The stack started: ${dateAndTime(start)}`, "start")] : [];
}
