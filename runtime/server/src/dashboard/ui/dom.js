// Makes elements. Whatever is shown becomes a text node: nothing here reads markup, so data of
// strangers stays text. Knows nothing of the host.

const SVG = "http://www.w3.org/2000/svg";

/// An element: `h("a", { href: "#/", class: "x", onclick: act }, "text", [more, elements])`.
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/// The same in SVG.
export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

/// Appends what is there: nested lists are flat, and nothing is left out.
export function append(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(element, child);
    else element.append(child instanceof Node ? child : String(child));
  }
}

/// Puts these in the place of all that was there.
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

/// Moves an element by CSS variables: the policy of the page forbids style attributes.
export function place(element, variables) {
  for (const [name, value] of Object.entries(variables)) {
    element.style.setProperty(`--${name}`, value);
  }
  return element;
}

/// A link inside this page; the parts of the path may be anybody's text.
export function to(path, query) {
  const parts = path.map((part) => encodeURIComponent(part)).join("/");
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(pairs).toString();
  return `#/${parts}${text ? `?${text}` : ""}`;
}
