// The chosen colours, before anything is drawn: a page that is dark must not flash white.
// Knows nothing of the pages.
"use strict";
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that keeps nothing follows the system.
}
