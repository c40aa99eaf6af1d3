// An event to begin with: the last one that a function could have handled, else one made up.

import { api, get } from "./api.js";

export async function sampleFor({ revisions }) {
  const active = revisions.find((r) => r.active) ?? revisions.at(-1);
  const patterns = [active?.manifest.on ?? "example"].flat();
  for (const type of patterns.slice(0, 3)) {
    try {
      const { events } = await get(api("events"), { type, limit: 1 });
      if (events.length > 0) return (await get(api("events", events[0].seq))).event;
    } catch {
      // What can't be had is made up.
    }
  }
  return {
    specversion: "1.0",
    id: newId(),
    source: "/dashboard",
    type: concrete(patterns[0]),
    datacontenttype: "application/json",
    data: {},
  };
}

/// A type that a pattern matches.
export function concrete(pattern) {
  return String(pattern).replaceAll("**", "example").replaceAll("*", "example");
}

export function newId() {
  // Over plain HTTP from another machine there is no randomUUID.
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `dashboard-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
