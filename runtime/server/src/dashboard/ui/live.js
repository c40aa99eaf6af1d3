// Server-sent events, heard only while somebody looks: a hidden page and one that was left listen
// to nothing. Knows no pages.

import { address } from "./api.js";

/// Listens to `path` until the signal. `handlers` are by the events' names; `state` is told
/// whether the host is heard.
export function listen(path, query, handlers, signal, state = () => {}) {
  let source = null;
  const open = () => {
    if (document.hidden || source || signal.aborted) return;
    source = new EventSource(address(path, query));
    source.onopen = () => state(true);
    source.onerror = () => {
      state(false);
      // One that was refused is not tried again by the browser.
      if (source?.readyState === EventSource.CLOSED) close();
    };
    for (const [name, handle] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handle(JSON.parse(event.data)));
    }
  };
  const close = () => {
    source?.close();
    source = null;
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()), { signal });
  const again = setInterval(open, 5000);
  signal.addEventListener("abort", () => {
    clearInterval(again);
    close();
  });
  open();
}

/// Calls again and again, as long as the page is shown and looked at.
export function every(ms, signal, act) {
  const timer = setInterval(() => {
    if (!document.hidden) act();
  }, ms);
  signal.addEventListener("abort", () => clearInterval(timer));
}

/// Collects items, and hands over what has come once for each frame: at most `most` of them.
export function perFrame(most, draw) {
  let waiting = [];
  const flush = () => {
    const items = waiting;
    waiting = [];
    draw(items);
  };
  return (item) => {
    if (waiting.length === 0) requestAnimationFrame(flush);
    waiting.push(item);
    if (waiting.length > most) waiting.shift();
  };
}
