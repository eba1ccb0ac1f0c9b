// What happens, as it happens: one WebSocket, resumed by the last number that is known, so that no gap is left.

import { debug } from "./debug.js";

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 8000;
const GONE = 4410;
const NOT_LET_IN = [1008, 4401];

const listeners = new Set();
const watchers = new Set();
let after = null;
let pause = FIRST_PAUSE;
let state = "connecting";

// `hear` gets every event; what it gives back stops that.
export function listen(hear) {
  listeners.add(hear);
  return () => listeners.delete(hear);
}

export function watch(tell) {
  watchers.add(tell);
  tell(state);
  return () => watchers.delete(tell);
}

export function start() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/events${after === null ? "" : `?after=${after}`}`);
  socket.onmessage = (message) => {
    const frame = JSON.parse(message.data);
    pause = FIRST_PAUSE;
    become("live");
    if ("seq" in frame) for (const hear of listeners) hear(frame);
    after = frame.seq ?? frame.as_of_seq ?? after; // everything up to here has come
  };
  socket.onclose = (closed) => {
    debug("info", `socket closed: ${closed.code}`);
    if (NOT_LET_IN.includes(closed.code)) return become("locked");
    if (closed.code === GONE) {
      after = null; // what was missed is no longer kept: everything is read anew
      for (const hear of listeners) hear({ type: "everything" });
    }
    become("reconnecting");
    setTimeout(start, pause * (0.5 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
}

function become(next) {
  if (next === state) return;
  const back = state === "reconnecting" && next === "live";
  state = next;
  for (const tell of watchers) tell(state);
  if (back) for (const hear of listeners) hear({ type: "everything" }); // the service may be another one now
}
