// Prices with their versions, and the models that have none though they were used.

import { html, useState } from "../vendor/preact.js";
import { go } from "../address.js";
import { ask, send } from "../ask.js";
import { useData } from "../data.js";
import { compact, count, exact, moment } from "../figures.js";
import { Dialog, Empty, Field, Form, Loaded, Table } from "../parts.js";

const MILLION = 1_000_000;
const each = (rate) => (rate === null || rate === undefined ? "–" : exact(Number((rate * MILLION).toPrecision(12))));

const PRICES = [
  ["Model", (price) => price.model],
  ["Input, a million", (price) => each(price.input_cost_per_token), "number"],
  ["Output, a million", (price) => each(price.output_cost_per_token), "number"],
  ["Cached, a million", (price) => each(price.cache_read_cost_per_token), "number"],
  ["Source", (price) => price.source],
  ["Since", (price) => (price.effective_date.startsWith("1970") ? "always" : moment(price.effective_date))],
];

export function Prices({ filters }) {
  const provider = filters.provider ?? "openai";
  const [open, show] = useState(null);
  const unpriced = useData(() => ask("/reports/coverage", { by: ["provider", "model"] }), [], ["usage.", "price."]);
  const prices = useData(() => ask("/prices", { provider, model: filters.model }), [provider, filters.model], ["price."]);
  return html`
    <${Loaded} data=${unpriced}>${(found) => html`<${Unpriced} rows=${found.rows.filter((row) => row.unpriced_count > 0)} show=${show} />`}<//>
    <h2>In force</h2>
    <div class="filters">
      <${Field} label="Provider" value=${provider} onChange=${(event) => go("prices", { ...filters, provider: event.target.value })} />
      <${Field} label="Model" value=${filters.model ?? ""} onChange=${(event) => go("prices", { ...filters, model: event.target.value })} />
      <button onClick=${() => show({ set: { provider } })}>Set a price</button>
    </div>
    <${Loaded} data=${prices}>
      ${(found) => {
        const rows = found.items ?? found;
        return rows.length
          ? html`<${Table} label="Prices in force" columns=${PRICES} rows=${rows} open=${(price) => show({ history: price })} />`
          : html`<${Empty}>No price of ${provider} is known. Set one: it counts from now on, and what was unpriced is priced by it.<//>`;
      }}
    <//>
    ${open?.set && html`<${PriceForm} price=${open.set} close=${() => show(null)} />`}
    ${open?.history && html`<${History} price=${open.history} show=${show} close=${() => show(null)} />`}
  `;
}

function Unpriced({ rows, show }) {
  if (!rows.length) return null;
  const columns = [
    ["Model", (row) => `${row.provider ?? "no provider"} ${row.model ?? "no model"}`],
    ["Records", (row) => count(row.unpriced_count), "number"],
    ["Tokens", (row) => compact(row.unpriced_tokens), "number"],
    ["Price", (row) => row.model && html`<button onClick=${() => show({ set: row })}>Set its price</button>`],
  ];
  return html`<h2>Without a price</h2><p>Used in the last 30 days and booked at 0 until a price comes.</p><${Table} label="Models without a price" columns=${columns} rows=${rows} />`;
}

function PriceForm({ price, close }) {
  const submit = (fields) => send("POST", "/prices", fields);
  return html`
    <${Dialog} title="Set a price" close=${close}>
      <${Form} label="Save" submit=${submit} done=${close}>
        <${Field} name="provider" label="Provider" value=${price.provider} required />
        <${Field} name="model" label="Model" value=${price.model} required />
        <${Field} name="input_cost_per_token" label="Dollars per input token" value=${price.input_cost_per_token} inputmode="decimal" required />
        <${Field} name="output_cost_per_token" label="Dollars per output token" value=${price.output_cost_per_token} inputmode="decimal" required />
        <${Field} name="cache_read_cost_per_token" label="Dollars per token read from a cache" inputmode="decimal" />
        <${Field} name="effective_date" label="From (empty: now, or the first use without a price)" placeholder="2026-11-01" />
      <//>
    <//>
  `;
}

function History({ price, show, close }) {
  const data = useData(() => ask(`/prices/history/${encodeURIComponent(price.provider)}/${encodeURIComponent(price.model)}`), [price.pricing_id], ["price."]);
  const columns = [["Since", PRICES[5][1]], ["Until", (each) => moment(each.end_date)], ...PRICES.slice(1, 5), ["Version", (each) => each.version]];
  return html`
    <${Dialog} title=${`${price.provider} ${price.model}`} close=${close}>
      <${Loaded} data=${data}>${(found) => html`<${Table} label="Versions" columns=${columns} rows=${found} />`}<//>
      <button onClick=${() => show({ set: price })}>Set a new price</button>
    <//>
  `;
}
