// The view and its filters live in the address, so that a link shows what was seen.

import { useEffect, useState } from "./vendor/preact.js";

export function read() {
  const [view, asked] = location.hash.slice(1).split("?");
  return { view: view || "now", filters: Object.fromEntries(new URLSearchParams(asked)) };
}

export function href(view, filters = {}) {
  const kept = Object.entries(filters).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return kept.length ? `#${view}?${new URLSearchParams(kept)}` : `#${view}`;
}

export function useAddress() {
  const [here, move] = useState(read);
  useEffect(() => {
    const moved = () => move(read());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return here;
}

export const go = (view, filters) => (location.hash = href(view, filters));
