// Holds in flight: how old they are, whose, and when they end by themselves.

import { html, useState } from "../vendor/preact.js";
import { go } from "../address.js";
import { ask, send } from "../ask.js";
import { useData } from "../data.js";
import { compact, count, distance, dollars, exact } from "../figures.js";
import { Choice, Dialog, Empty, Failure, Field, Loaded, Table } from "../parts.js";

const COLUMNS = [
  ["Age", (hold) => distance(hold.created_at)],
  ["Owner", (hold) => hold.component],
  ["Context", (hold) => hold.context_id],
  ["Model", (hold) => hold.model ?? "–"],
  ["State", (hold) => hold.state],
  ["Tokens left", (hold) => `${compact(hold.remaining_tokens)} of ${compact(hold.tokens_allocated)}`, "number"],
  ["Held", (hold) => dollars(hold.held_cost), "number"],
  ["Ends", (hold) => distance(hold.expiration_time)],
];

export function Allocations({ filters }) {
  const active = filters.state !== "all";
  const [shown, show] = useState(null);
  const data = useData(
    () => ask("/allocations", { is_active: active ? true : undefined, component: filters.component, page: 1, limit: 100 }),
    [active, filters.component],
    ["allocation.", "usage."],
  );
  return html`
    <div class="filters">
      <${Choice} label="State" value=${filters.state} options=${[["", "in flight"], ["all", "all"]]} change=${(state) => go("allocations", { ...filters, state })} />
      <${Field} label="Component" value=${filters.component ?? ""} onChange=${(event) => go("allocations", { ...filters, component: event.target.value })} />
    </div>
    <${Loaded} data=${data}>
      ${(found) =>
        found.items.length
          ? html`<p>${count(found.total)} allocations</p><${Table} label="Allocations" columns=${COLUMNS} rows=${found.items} open=${show} />`
          : html`<${Empty}>Nothing is held. A component holds tokens before a call with <code>POST /api/allocations</code>.<//>`}
    <//>
    ${shown && html`<${Hold} hold=${shown} close=${() => show(null)} />`}
  `;
}

function Hold({ hold, close }) {
  const [problem, setProblem] = useState(null);
  const release = async () => {
    if (hold.state === "started" && !confirm("Its call has begun. Is it certain that it used nothing?")) return;
    try {
      await send("POST", `/allocations/${hold.allocation_id}/release`, { reason: "released on the dashboard", confirm_unused: hold.state === "started" });
      close();
    } catch (error) {
      setProblem(error);
    }
  };
  return html`
    <${Dialog} title=${`Allocation of ${hold.component}`} close=${close}>
      <dl class="facts">
        <dt>Id</dt><dd><code>${hold.allocation_id}</code></dd>
        <dt>Context</dt><dd>${hold.context_id}</dd>
        <dt>Model</dt><dd>${hold.provider ?? ""} ${hold.model ?? "none"}</dd>
        <dt>Allocated</dt><dd>${count(hold.tokens_allocated)} tokens, ${exact(hold.estimated_cost)} at ${hold.pricing_version ?? "no price"}</dd>
        <dt>Used</dt><dd>${count(hold.tokens_used)} tokens, ${exact(hold.actual_cost)}</dd>
        <dt>Still held</dt><dd>${count(hold.remaining_tokens)} tokens, ${exact(hold.held_cost)}</dd>
        <dt>Ends</dt><dd>${hold.expiration_time}</dd>
      </dl>
      ${problem && html`<${Failure} problem=${problem} />`}
      ${hold.is_active && html`<button onClick=${release}>Release what is left</button>`}
    <//>
  `;
}
