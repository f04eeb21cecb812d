const clockFormat = new Intl.DateTimeFormat([], {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});
const fullFormat = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });

export const clock = (seconds) => clockFormat.format(seconds * 1000);
export const full = (seconds) => fullFormat.format(seconds * 1000);

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function showTimes(root = document) {
  const now = Date.now() / 1000;
  for (const element of root.querySelectorAll("time[data-since]")) {
    const since = Number(element.dataset.since);
    const text = duration(now - since);
    if (element.textContent !== text) element.textContent = text;
    if (element.title !== full(since)) element.title = full(since);
  }
  for (const element of root.querySelectorAll("time[data-clock]:empty")) {
    const text = clock(Number(element.dataset.clock));
    // A whole number of seconds is shown without milliseconds.
    element.textContent = element.dataset.clock.includes(".") ? text : text.slice(0, -4);
    element.title = full(Number(element.dataset.clock));
  }
}
