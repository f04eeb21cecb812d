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

// Returns a list with the note of the start of the stack between two lines, which have Unix times; without a start,
// the list is empty.
export function startNotes(before, after) {
  const start = times.find((time) => before < time && time <= after);
  return start ? [note(`The stack started: ${dateAndTime(start)}`, "start")] : [];
}
