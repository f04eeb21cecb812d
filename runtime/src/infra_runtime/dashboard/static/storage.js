// The settings of the log view that the browser stores.
export function store(name, value) {
  try {
    localStorage.setItem(`log-${name}`, value);
  } catch { /* the browser stores nothing for this page */ }
}

export function stored(name) {
  try {
    return localStorage.getItem(`log-${name}`);
  } catch {  // the browser does not permit storage for this page
    return null;
  }
}
