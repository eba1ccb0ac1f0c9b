// Requests that a limit stood in the way of, and why.

import { html, useState } from "../vendor/preact.js";
import { go, href } from "../address.js";
import { ask } from "../ask.js";
import { useData } from "../data.js";
import { amount, compact, dollars, moment, scope, words } from "../figures.js";
import { Dialog, Empty, Field, Loaded, Table } from "../parts.js";

const COLUMNS = [
  ["When", (decision) => moment(decision.decided_at)],
  ["Verdict", (decision) => decision.verdict + (decision.repeats ? ` (and ${decision.repeats} more)` : "")],
  ["Component", (decision) => decision.component ?? "–"],
  ["Model", (decision) => decision.request?.model ?? "–"],
  ["Asked", (decision) => `${compact(decision.estimated_tokens)} tokens, ${dollars(decision.estimated_cost)}`, "number"],
  ["Why", (decision) => decision.message],
];

export function Decisions({ filters }) {
  const [shown, show] = useState(null);
  const data = useData(
    () => Promise.all([ask("/decisions", { component: filters.component, policy_id: filters.policy_id, limit: 100 }), ask("/limits", { limit: 100 }), ask("/allocations", { page: 1, limit: 1 })]),
    [filters.component, filters.policy_id],
    ["allocation.", "limit.", "usage."],
  );
  return html`
    <div class="filters">
      <${Field} label="Component" value=${filters.component ?? ""} onChange=${(event) => go("decisions", { ...filters, component: event.target.value })} />
    </div>
    <${Loaded} data=${data}>
      ${([refused, limits, granted]) => html`
        <p>${granted.total} granted in all, ${refused.total} refused in the last 90 days${filters.policy_id ? " by one limit" : ""}.</p>
        ${refused.items.length
          ? html`<${InTheWay} refused=${refused.items} limits=${limits.items} /><${Table} label="Refusals" columns=${COLUMNS} rows=${refused.items} open=${show} />`
          : html`<${Empty}>Nothing was refused. Every refusal is kept here with its arithmetic; grants explain themselves under <a href=${href("allocations")}>Allocations</a>.<//>`}
      `}
    <//>
    ${shown && html`<${Explained} decision=${shown} close=${() => show(null)} />`}
  `;
}

function InTheWay({ refused, limits }) {
  const often = new Map();
  for (const decision of refused) for (const limit of decision.limits ?? []) often.set(limit.policy_id, (often.get(limit.policy_id) ?? 0) + 1);
  const policies = new Map(limits.map((limit) => [limit.policy_id, limit]));
  const top = [...often].sort((a, b) => b[1] - a[1]).slice(0, 5);
  return html`
    <h2>Most often in the way</h2>
    <ul class="ranks">
      ${top.map(([id, times]) => {
        const limit = policies.get(id);
        return html`<li><a href=${href("decisions", { policy_id: id })}>${limit ? `${limit.period} · ${scope(limit)}` : id}</a>
          <span class="rank"><i style=${{ width: `${(100 * times) / top[0][1]}%` }}></i></span><span>${times === 1 ? "once" : `${times} times`}</span></li>`;
      })}
    </ul>
  `;
}

function Explained({ decision, close }) {
  const data = useData(() => ask(`/decisions/${decision.decision_id}`), [decision.decision_id], []);
  return html`
    <${Dialog} title="Why" close=${close}>
      <${Loaded} data=${data}>
        ${(why) => html`
          <p>${why.message ?? decision.message}</p>
          <ul>
            ${(why.limits ?? []).map(
              (limit) => html`<li>${words(limit.period ?? "")} ${limit.unit} limit: ${amount(limit.used, limit.unit)} used + ${amount(limit.held, limit.unit)} held + ${amount(limit.asked, limit.unit)} asked, of ${amount(limit.limit, limit.unit)}</li>`,
            )}
          </ul>
          <details><summary>All that is stored</summary><pre>${JSON.stringify(why, null, 2)}</pre></details>
        `}
      <//>
    <//>
  `;
}
