// Every record, however many there are: only the rows in sight are read and drawn.

import { html, useEffect, useMemo, useReducer, useRef, useState } from "../vendor/preact.js";
import { go, href } from "../address.js";
import { ask } from "../ask.js";
import { useData } from "../data.js";
import { count, dollars, exact, moment, words } from "../figures.js";
import { Choice, Dialog, Empty, Failure, Field, Loaded, Table } from "../parts.js";

const ROW = 36;
const PAGE = 100;
const MOST_ROWS = 100_000; // beyond it a browser's own coordinates give out: filters reach the rest
const AROUND = 10;
const STEP = 5 * ROW;
const MOST_DRAWN = 2_000;
const FILTERS = ["component", "provider", "model", "task_type", "context_id"];
const FLAGS = ["unpriced", "over_limit", "provisional", "estimated", "late", "partly_priced"];
const COLUMNS = ["When", "Component", "Model", "Task", "Input", "Output", "Cost", "Notes"];
const FIGURES = new Set(["Input", "Output", "Cost"]);

export function Usage({ filters }) {
  const [shown, show] = useState(null);
  const asked = { ...Object.fromEntries(FILTERS.map((field) => [field, filters[field]])), start_date: filters.from, end_date: filters.to, sort: filters.sort };
  const id = JSON.stringify(asked);
  const first = useData(() => ask("/usage/records", { ...asked, page: 1, limit: PAGE }), [id], ["usage.", "allocation.charged"]);
  const narrow = (changed) => go("usage", { ...filters, ...changed });
  return html`
    <div class="filters">
      ${FILTERS.map((field) => html`<${Field} label=${words(field)} name=${field} value=${filters[field] ?? ""} onChange=${(event) => narrow({ [field]: event.target.value })} />`)}
      <${Field} label="from" type="date" value=${filters.from ?? ""} onChange=${(event) => narrow({ from: event.target.value })} />
      <${Field} label="to" type="date" value=${filters.to ?? ""} onChange=${(event) => narrow({ to: event.target.value })} />
      <${Choice} label="Order" value=${filters.sort} options=${[["", "newest first"], ["oldest", "oldest first"], ["cost", "dearest first"], ["tokens", "most tokens first"]]} change=${(sort) => narrow({ sort })} />
    </div>
    <${Loaded} data=${first}>
      ${(page) =>
        page.total
          ? html`<p>${count(page.total)}${page.total_exact ? "" : " or more"} records${page.total > MOST_ROWS ? `; the first ${count(MOST_ROWS)} are here, filters reach the others` : ""}.</p>
              <${Rows} key=${id} asked=${asked} first=${page} open=${show} />`
          : html`<${Empty}>No record fits. Components record a call with <code>POST /api/usage/record</code>; filters may hide what is there: <a href=${href("usage")}>show all</a>.<//>`}
    <//>
    ${shown && html`<${Amount} record=${shown} close=${() => show(null)} />`}
  `;
}

function Rows({ asked, first, open }) {
  const place = useRef(null);
  const pages = useRef(new Map());
  const drawn = useRef(new Map());
  const [top, scroll] = useState(0);
  const [problem, setProblem] = useState(null);
  const [, redraw] = useReducer((times) => times + 1, 0);
  const total = Math.min(first.total, MOST_ROWS);
  useMemo(() => {
    pages.current = new Map([[1, first.items]]);
    drawn.current = new Map();
  }, [first]);
  const height = place.current?.clientHeight ?? 640;
  const from = Math.max(0, Math.floor(top / ROW) - AROUND);
  const to = Math.min(total, Math.ceil((top + height) / ROW) + AROUND);
  useEffect(() => {
    for (let number = Math.floor(from / PAGE) + 1; number <= Math.ceil(to / PAGE); number++) {
      if (pages.current.has(number)) continue;
      const kept = pages.current;
      kept.set(number, null);
      ask("/usage/records", { ...asked, page: number, limit: PAGE }).then(
        (page) => (kept.set(number, page.items), redraw()),
        (error) => (kept.delete(number), setProblem(error)),
      );
    }
  }, [from, to, first]);
  const rows = [];
  for (let at = from; at < to; at++) rows.push(row(at));
  // A row that is drawn is kept as it is: a step of the wheel then costs what comes into sight, not all that is.
  function row(at) {
    const record = pages.current.get(Math.floor(at / PAGE) + 1)?.[at % PAGE];
    if (!drawn.current.has(record)) {
      const made = html`<${Row} key=${at} at=${at} record=${record} open=${open} />`;
      if (record === undefined) return made;
      if (drawn.current.size > MOST_DRAWN) drawn.current.clear();
      drawn.current.set(record, made);
    }
    return drawn.current.get(record);
  }
  const scrolled = ({ currentTarget }) => scroll(Math.floor(currentTarget.scrollTop / STEP) * STEP);
  return html`
    ${problem && html`<${Failure} problem=${problem} />`}
    <div class="records" role="table" aria-label="Usage records" aria-rowcount=${total + 1}>
      <div class="record head" role="row">${COLUMNS.map((title) => html`<span role="columnheader" class=${FIGURES.has(title) ? "number" : undefined}>${title}</span>`)}</div>
      <div class="window" ref=${place} tabindex="0" role="rowgroup" onScroll=${scrolled}>
        <div class="all" role="presentation" style=${{ height: `${total * ROW}px` }}>
          ${rows}
        </div>
      </div>
    </div>
  `;
}

function Row({ at, record, open }) {
  const style = { transform: `translateY(${at * ROW}px)` };
  if (!record) return html`<div class="record" role="row" aria-rowindex=${at + 2} style=${style}><span role="cell">…</span></div>`;
  const notes = FLAGS.filter((flag) => record[flag]).map(words).join(", ");
  return html`
    <div class="record" role="row" aria-rowindex=${at + 2} style=${style}>
      <span role="cell"><button class="link" onClick=${() => open(record)}>${moment(record.timestamp)}</button></span>
      <span role="cell">${record.component}</span><span role="cell">${record.model ?? "–"}</span><span role="cell">${record.task_type}</span>
      <span role="cell" class="number">${count(record.input_tokens)}</span><span role="cell" class="number">${count(record.output_tokens)}</span>
      <span role="cell" class="number">${record.unpriced ? "no price" : dollars(record.cost)}</span><span role="cell">${notes}</span>
    </div>
  `;
}

// Why a record costs what it costs: each part, its rate, and which version of the price that was.
function Amount({ record, close }) {
  const history = useData(
    () => (record.model ? ask(`/prices/history/${encodeURIComponent(record.provider)}/${encodeURIComponent(record.model)}`) : Promise.resolve([])),
    [record.record_id],
    [],
  );
  const parts = Object.entries(record.parts);
  const columns = [
    ["Part", ([name]) => words(name)],
    ["Count", ([, part]) => count(part.count), "number"],
    ["Each", ([, part]) => (part.cost && part.count ? exact(Number((part.cost / part.count).toPrecision(10))) : "–"), "number"],
    ["Cost", ([, part]) => exact(part.cost), "number"],
  ];
  return html`
    <${Dialog} title="Why this amount" close=${close}>
      <p><strong>${exact(record.cost)}</strong> for ${record.provider ?? ""} ${record.model ?? "no model"}, ${record.occurred_at}</p>
      <${Table} label="Parts" columns=${columns} rows=${parts} />
      <p>${record.cost_reported ? "The provider reported this cost; it outranks an estimate." : record.unpriced ? html`No price was known: it is booked at 0 until <a href=${href("prices")}>a price comes</a>.` : html`Price version <code>${record.pricing_version}</code>.`}</p>
      <${Loaded} data=${history}>
        ${(found) => {
          const price = found.find((each) => each.pricing_id === record.pricing_version);
          return price && html`<p>In force since ${price.effective_date}, from ${price.source}: ${exact(price.input_cost_per_token)} per input token, ${exact(price.output_cost_per_token)} per output token.</p>`;
        }}
      <//>
      <dl class="facts">
        <dt>Record</dt><dd><code>${record.record_id}</code></dd>
        ${record.allocation_id && html`<dt>Allocation</dt><dd><code>${record.allocation_id}</code></dd>`}
        <dt>Context</dt><dd>${record.context_id}</dd>
        ${record.corrects && html`<dt>Corrects</dt><dd><code>${record.corrects}</code>, ${record.reason}</dd>`}
      </dl>
    <//>
  `;
}
