const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" };
const OPTIONS = {
  clock: CLOCK,
  full: { ...CLOCK, year: "numeric", month: "short", day: "numeric", timeZoneName: "short" },
  date: { dateStyle: "medium" },
  utc: { ...CLOCK, timeZone: "UTC" },
};
const made = {};
// A format is created at its first use, because the creation would delay the first paint of the page.
const format = (name) => (made[name] ??= new Intl.DateTimeFormat([], OPTIONS[name]));

export const clock = (seconds, inZone = "") => format(inZone ? "utc" : "clock").format(seconds * 1000);
export const zone = () => format("clock").resolvedOptions().timeZone;
// The date, and the time without milliseconds.
export const dateAndTime = (seconds) => `${format("date").format(seconds * 1000)} ${clock(seconds).slice(0, -4)}`;
// The date, the time with microseconds, and the zone. A Unix time in a floating-point number is not more exact.
const full = (seconds) => format("full").formatToParts(seconds * 1000)
  .map(({ type, value }) => (type === "fractionalSecond" ? String(Math.floor((seconds % 1) * 1e6)).padStart(6, "0") : value))
  .join("");

export function milliseconds(seconds) {
  const value = seconds * 1000;
  if (value < 10) return `${value.toFixed(2)} ms`;
  return value < 1000 ? `${value.toFixed(0)} ms` : `${seconds.toFixed(2)} s`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

// The title of a time is created when the pointer is over the time, because most titles are never needed.
export function nameTimes() {
  document.addEventListener("pointerover", ({ target }) => {
    const time = target.closest?.("time");
    const seconds = Number(time?.dataset.since ?? time?.dataset.clock);
    if (seconds && !time.title) time.title = full(seconds);
  });
}

export function showTimes(root = document) {
  const now = Date.now() / 1000;
  for (const element of root.querySelectorAll("time[data-since]")) {
    const since = Number(element.dataset.since);
    const text = duration(now - since);
    if (element.textContent !== text) element.textContent = text;
  }
  for (const element of root.querySelectorAll("time[data-clock]:empty")) {
    const seconds = Number(element.dataset.clock);
    // A whole number of seconds is shown without milliseconds, and a time of another day with its date.
    const text = element.dataset.clock.includes(".") ? clock(seconds) : clock(seconds).slice(0, -4);
    const isToday = new Date(seconds * 1000).toDateString() === new Date().toDateString();
    element.textContent = isToday ? text : `${format("date").format(seconds * 1000)} ${text}`;
  }
}
