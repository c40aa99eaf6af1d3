// Asks the host. Knows the admin API's errors, and no page.

/// What the host refused, or that it could not be reached (`status` 0).
export class Problem extends Error {
  constructor(status, code, detail, members) {
    super(detail);
    this.status = status;
    this.code = code;
    this.members = members ?? {};
  }
}

/// The address of a path: without the name and password that may stand in that of the page.
export function address(path, query) {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== "" && value != null);
  const text = new URLSearchParams(pairs).toString();
  return `${location.origin}${path}${text ? `?${text}` : ""}`;
}

/// A path of the admin API; its parts may be anybody's text.
export function api(...parts) {
  return `/api/v1/${parts.map((part) => encodeURIComponent(part)).join("/")}`;
}

export function get(path, query, signal) {
  return ask("GET", path, { query, signal });
}

export function post(path, json, more) {
  const body = json === undefined ? undefined : JSON.stringify(json);
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  return ask("POST", path, { body, headers, ...more });
}

/// Any request; the answer's JSON.
export async function ask(method, path, { query, headers, body, signal } = {}) {
  let response;
  try {
    response = await fetch(address(path, query), { method, headers, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "unreachable", "The host does not answer.");
  }
  const text = await response.text();
  if (!response.ok) throw refusal(response.status, text);
  return text === "" ? null : parse(text);
}

function refusal(status, text) {
  try {
    const { code, detail, ...members } = JSON.parse(text);
    return new Problem(status, code, detail, members);
  } catch {
    return new Problem(status, `http.${status}`, `The host answered ${status}.`);
  }
}

/// JSON whose whole numbers stay what they are: those too large for a number of JavaScript are
/// kept as they were written, where the browser can do that.
export function parse(text) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) => {
    const large = typeof value === "number" && !Number.isSafeInteger(value);
    return large && /^-?\d+$/.test(context?.source ?? "") ? JSON.rawJSON(context.source) : value;
  });
}

/// One sentence about a problem, for people.
export function sentence(error) {
  if (!(error instanceof Problem)) return `This page has failed: ${error.message}`;
  switch (error.status) {
    case 0:
      return "The host does not answer. Is it running? This page goes on trying.";
    case 401:
      return "The host asks for a token: reload the page, and give one as the password.";
    case 403:
      return `You may not do this: ${error.message}.`;
    default:
      return `${upper(error.message)} (${error.code})`;
  }
}

function upper(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
