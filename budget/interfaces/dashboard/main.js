// The frame around the views: where one is, how live it is, and which view the address asks for.

import { html, render, useEffect, useState } from "./vendor/preact.js";
import { href, useAddress } from "./address.js";
import { debug } from "./debug.js";
import * as live from "./live.js";
import { Alerts } from "./views/alerts.js";
import { Allocations } from "./views/allocations.js";
import { Budgets } from "./views/budgets.js";
import { Decisions } from "./views/decisions.js";
import { Now } from "./views/now.js";
import { Prices } from "./views/prices.js";
import { Trend } from "./views/trend.js";
import { Usage } from "./views/usage.js";

const VIEWS = {
  now: ["Now", Now],
  trend: ["Trend", Trend],
  usage: ["Usage", Usage],
  allocations: ["Allocations", Allocations],
  decisions: ["Decisions", Decisions],
  alerts: ["Alerts", Alerts],
  budgets: ["Budgets", Budgets],
  prices: ["Prices", Prices],
};

const STATES = {
  connecting: "connecting…",
  live: "live",
  reconnecting: "reconnecting: what you see may be old",
  locked: "not let in",
};

function App() {
  const { view, filters } = useAddress();
  const [state, setState] = useState("connecting");
  useEffect(() => live.watch(setState), []);
  useEffect(live.start, []);
  const [title, View] = VIEWS[view] ?? VIEWS.now;
  useEffect(() => {
    document.title = `${title} – Budget`;
    debug("debug", `view ${view}`, filters);
  }, [title]);
  return html`
    <a class="skip" href="#content" onClick=${(event) => (event.preventDefault(), document.getElementById("content").focus())}>Skip to content</a>
    <header>
      <a class="name" href=${href("now")}><img src="/dashboard/icon.svg" alt="" width="24" height="24" />Budget</a>
      <nav aria-label="Views">
        ${Object.entries(VIEWS).map(
          ([name, [label]]) => html`<a href=${href(name)} aria-current=${label === title ? "page" : undefined}>${label}</a>`,
        )}
      </nav>
      <span class=${`state ${state}`} role="status">${STATES[state]}</span>
    </header>
    <main id="content" tabindex="-1">
      <h1>${title}</h1>
      <${View} filters=${filters} key=${title} />
    </main>
  `;
}

addEventListener("error", (event) => debug("error", event.message));
const place = document.getElementById("app");
place.replaceChildren();
render(html`<${App} />`, place);
