// An event stream that is open only while the page is visible: a browser has six connections to an origin.
export function stream(address, listeners, state) {
  let source = null;
  function open() {
    if (source || document.hidden) return;
    source = new EventSource(address());
    source.onopen = () => state(true);
    source.onerror = () => {
      state(false);
      if (source && source.readyState === EventSource.CLOSED) {  // such as after the end of the session
        source = null;
        setTimeout(open, 2000);
      }
    };
    for (const [name, listener] of Object.entries(listeners)) {
      source.addEventListener(name, (event) => listener(JSON.parse(event.data), event.lastEventId));
    }
  }
  function close() {
    source?.close();
    source = null;
  }
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
  return { close, reopen() { close(); open(); } };
}
