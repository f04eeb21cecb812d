// Shows in the head of the page whether the data of the page is up to date.
export function showConnection(isOpen, text = "") {
  const element = document.querySelector("[data-connection]");
  element.hidden = isOpen;
  element.textContent = text || "connection lost, trying again …";
}

// If the answer is not a stream, for example after the end of the session, a browser does not connect again.
async function showReason() {
  try {
    const hasEnded = (await fetch("/status")).status === 401;
    showConnection(false, hasEnded ? "logged out: `infra runtime open` opens a new login link" : "");
  } catch {  // the dashboard does not answer
    showConnection(false);
  }
}

// Opens an event stream while the page is visible, because a browser opens at most six connections to an origin.
// Returns the function that ends the stream.
export function stream(address, listeners) {
  const ended = new AbortController();
  let source = null;
  function open() {
    if (source || document.hidden || ended.signal.aborted) return;
    source = new EventSource(address());
    source.onopen = () => showConnection(true);
    source.onerror = () => {
      if (source?.readyState === EventSource.CLOSED) {
        source = null;
        showReason();
        setTimeout(open, 2000);
      } else showConnection(false);
    };
    for (const [name, listener] of Object.entries(listeners)) {
      source.addEventListener(name, (event) => listener(JSON.parse(event.data), event.lastEventId));
    }
  }
  function close() {
    source?.close();
    source = null;
  }
  const until = { signal: ended.signal };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()), until);
  addEventListener("pagehide", close, until);
  addEventListener("pageshow", open, until);
  open();
  return () => {
    ended.abort();
    close();
  };
}
