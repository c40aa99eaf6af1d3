// The shell: which page is shown, and what is the same on all of them. Knows no content.

import { sentence } from "./api.js";
import { h, replace } from "./dom.js";
import { bindKeys, help } from "./keys.js";
import { problem } from "./notice.js";

/// The module of each page, by the first part of the path; a second part leads to the other one.
const PAGES = {
  "": ["overview"],
  functions: ["functions", "function"],
  events: ["events", "event"],
  queue: ["queue"],
  dead: ["dead"],
  state: ["state", "state"],
  send: ["send"],
  settings: ["settings"],
};

const main = document.getElementById("main");
let leave = new AbortController();

/// The place that the address names: `#/events/12?x=y`.
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(decoded);
  return { parts, query: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function show() {
  leave.abort();
  leave = new AbortController();
  const { signal } = leave;
  const { parts, query } = place();
  const [first = "", argument] = parts;
  const name = PAGES[first]?.[argument === undefined ? 0 : 1];
  mark(PAGES[first]?.[0]);
  const root = h("div", { class: "page" });
  const view = { root, signal, query, argument, title };
  try {
    if (!name) throw new Error("there is no such page");
    const page = await import(`./page-${name}.js`);
    if (signal.aborted) return;
    replace(main, root);
    arrive();
    main.dataset.page = name;
    await page.show(view);
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    replace(main, root);
    replace(root, h("h1", null, "Not shown"), problem(error));
    console.warn(sentence(error));
  }
}

/// Begins at the top, with the focus where the page is and not on a link that is gone.
function arrive() {
  if (document.activeElement === document.body || !document.activeElement.isConnected) {
    main.focus({ preventScroll: true });
  }
  scrollTo(0, 0);
}

function title(text) {
  document.title = `${text} · Triphammer`;
}

function mark(page) {
  for (const link of document.querySelectorAll("#nav [data-page]")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  menu(false);
}

function menu(open) {
  document.getElementById("menu").setAttribute("aria-expanded", String(open));
  document.getElementById("nav").classList.toggle("open", open);
}

const THEMES = ["system", "light", "dark"];

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // A browser that keeps nothing forgets it with this page.
  }
  showTheme();
}

function showTheme() {
  const now = document.documentElement.dataset.theme ?? "system";
  document.getElementById("theme").textContent = `Theme: ${now}`;
}

document.getElementById("theme").addEventListener("click", nextTheme);
document.getElementById("help").addEventListener("click", help);
document.getElementById("menu").addEventListener("click", (event) => {
  menu(event.target.getAttribute("aria-expanded") !== "true");
});
document.querySelector(".skip").addEventListener("click", (event) => {
  // The address is the page's: following the link would leave it.
  event.preventDefault();
  main.focus();
});
bindKeys({ theme: nextTheme });
showTheme();
addEventListener("hashchange", show);
show();
