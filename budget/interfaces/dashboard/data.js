// Data that follows the ledger: read once, and again soon after an event of a kind that changes it.

import { useCallback, useEffect, useRef, useState } from "./vendor/preact.js";
import { listen } from "./live.js";

const SOON = 200;

// `load` gives a promise; `kinds` are the beginnings of the event types after which it is read again.
export function useData(load, depends, kinds) {
  const [held, hold] = useState({ value: null, problem: null });
  const reading = useRef(0);
  const again = useCallback(async () => {
    const mine = ++reading.current;
    try {
      const value = await load();
      if (mine === reading.current) hold({ value, problem: null });
    } catch (problem) {
      if (mine === reading.current) hold((before) => ({ value: before.value, problem }));
    }
  }, depends);
  useEffect(() => {
    let waiting = null;
    again();
    const stop = listen((event) => {
      const concerned = event.type === "everything" || kinds.some((kind) => event.event?.startsWith(kind));
      if (!concerned || waiting !== null) return;
      waiting = setTimeout(() => {
        waiting = null;
        again();
      }, SOON);
    });
    return () => {
      stop();
      clearTimeout(waiting);
      reading.current++;
    };
  }, [again]);
  return { ...held, again };
}
