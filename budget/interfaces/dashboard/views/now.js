// What is left of every limit right now, and what just happened.

import { html, useEffect, useState } from "../vendor/preact.js";
import { href } from "../address.js";
import { ask } from "../ask.js";
import { useData } from "../data.js";
import { amount, compact, dollars, share, words } from "../figures.js";
import { listen } from "../live.js";
import { Empty, Gauge, Loaded } from "../parts.js";

const MOVES = ["allocation.", "usage.", "policy.", "budget.", "price.", "limit."];
const MOST_NEWS = 8;

export function Now() {
  const data = useData(() => ask("/dashboard"), [], MOVES);
  return html`
    <${Loaded} data=${data}>
      ${(now) => html`
        <${Headline} now=${now} />
        <${Limits} limits=${now.limits} />
        <div class="columns"><${Top} rows=${now.top} /><${News} /></div>
      `}
    <//>
  `;
}

function Headline({ now }) {
  return html`
    <dl class="headline">
      <div><dt>Today</dt><dd>${dollars(now.today.cost)}</dd><dd>${compact(now.today.total_tokens)} tokens</dd></div>
      <div><dt>This month</dt><dd>${dollars(now.month.cost)}</dd><dd>${compact(now.month.total_tokens)} tokens</dd></div>
      <div><dt>Held for ${now.allocations_total} calls</dt><dd>${dollars(now.held_cost)}</dd><dd>${compact(now.held_tokens)} tokens</dd></div>
      <div><dt>Priced</dt><dd>${share(now.coverage.priced_ratio ?? 1)}</dd><dd><a href=${href("prices")}>of 30 days' usage</a></dd></div>
    </dl>
  `;
}

function Limits({ limits }) {
  const taken = (limit) => (limit.limit ? (limit.used + limit.held) / limit.limit : 1);
  const known = limits.filter((limit) => limit.used !== null).sort((a, b) => taken(b) - taken(a));
  const moving = known.filter((limit) => limit.used || limit.held || limit.type === "hard_limit");
  const still = known.filter((limit) => !moving.includes(limit));
  if (!known.length) {
    return html`<${Empty}>There is no limit yet. <a href=${href("budgets")}>Set one</a>: a hard limit refuses what would pass it.<//>`;
  }
  return html`
    <h2>Limits</h2>
    <section class="gauges" aria-label="Limits">${moving.map((limit) => html`<${Gauge} limit=${limit} key=${limit.policy_id + limit.unit} />`)}</section>
    ${still.length > 0 &&
    html`<details><summary>${still.length} limits of which nothing is used</summary>
      <section class="gauges">${still.map((limit) => html`<${Gauge} limit=${limit} key=${limit.policy_id + limit.unit} />`)}</section>
    </details>`}
  `;
}

function Top({ rows }) {
  if (!rows.length) {
    return html`<section><h2>Where it goes</h2><${Empty}>Nothing was used in 30 days. Record a call at <code>POST /api/usage/record</code>, or look around with example data: <code>budget demo</code>.<//></section>`;
  }
  const most = Math.max(...rows.map((row) => row.cost)) || 1;
  return html`
    <section>
      <h2>Where it goes in 30 days</h2>
      <ul class="ranks">
        ${rows.map(
          (row) => html`<li>
            <a href=${href("trend", { model: row.model, by: "component" })}>${row.model ?? "no model"}</a>
            <span class="rank"><i style=${{ width: `${(100 * row.cost) / most}%` }}></i></span>
            <span>${dollars(row.cost)}</span>
          </li>`,
        )}
      </ul>
    </section>
  `;
}

function News() {
  const [news, add] = useState([]);
  useEffect(() => listen((event) => event.seq && add((before) => [event, ...before].slice(0, MOST_NEWS))), []);
  return html`
    <section>
      <h2>Just now</h2>
      <ol class="news" aria-live="off">
        ${news.map((event) => html`<li class=${event.severity} key=${event.seq}><small>${event.seq}</small> ${tell(event)}</li>`)}
      </ol>
      ${!news.length && html`<p class="when">Nothing has happened since this page was opened.</p>`}
    </section>
  `;
}

function tell({ event, payload, component }) {
  const what = payload.record ?? payload.allocation;
  const size = what && (payload.record ? dollars(what.cost) : amount(what.tokens_allocated, "tokens"));
  return [words(event), what?.model, component, size].filter(Boolean).join(" · ");
}
