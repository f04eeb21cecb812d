// The starts of the stack between the lines of the log view.
import { dateAndTime } from "./times.js";

const box = document.getElementById("log");
const starts = (box.dataset.starts ?? "").split(" ").filter(Boolean).map(Number);  // Unix seconds, the newest first

// Returns the start of the stack between two lines, which have Unix times; undefined if there is none.
export const startBetween = (before, after) => starts.find((start) => before < start && start <= after);
export const startText = (start) => `The stack started: ${dateAndTime(start)}`;
