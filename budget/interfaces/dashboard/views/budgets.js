// Budgets and the policies in them: made, changed, switched off; what a policy would have done is shown before it is saved.

import { html, useEffect, useState } from "../vendor/preact.js";
import { go } from "../address.js";
import { ask, send } from "../ask.js";
import { useData } from "../data.js";
import { amount, count, dollars, scope, words } from "../figures.js";
import { Choice, Dialog, Empty, Failure, Field, Form, Loaded, Table } from "../parts.js";

const TYPES = ["hard_limit", "soft_limit", "warn", "ignore"];
const PERIODS = ["hourly", "daily", "weekly", "monthly", "per_session", "per_task"];
const BUCKETS = { hourly: "hour", daily: "day", weekly: "week", monthly: "month" };
const SCOPE = ["component", "provider", "model", "task_type", "tier"];
const MEANINGS = {
  hard_limit: "refuses what would pass it",
  soft_limit: "lets pass, warns and offers less",
  warn: "lets pass and raises alerts",
  ignore: "counts",
};

const LIMITS = [
  ["Applies to", scope],
  ["Period", (policy) => words(policy.period)],
  ["Type", (policy) => words(policy.type)],
  ["Cost", (policy) => (policy.cost_limit === null ? "–" : dollars(policy.cost_limit)), "number"],
  ["Tokens", (policy) => count(policy.token_limit), "number"],
  ["Budget", (policy) => (policy.scope === "global" ? "every budget" : "this one")],
  ["State", (policy) => (policy.enabled ? "in force" : "off")],
];

export function Budgets({ filters }) {
  const [open, show] = useState(null);
  const data = useData(() => ask("/budgets", { limit: 100 }), [], ["budget."]);
  return html`
    <${Loaded} data=${data}>
      ${(found) => {
        const budget = found.items.find((each) => each.budget_id === filters.budget) ?? found.items[0];
        return html`
          <div class="filters">
            <${Choice} label="Budget" value=${budget?.budget_id} options=${found.items.map((each) => [each.budget_id, each.name + (each.is_active ? "" : " (off)")])} change=${(id) => go("budgets", { budget: id })} />
            <button onClick=${() => show({ kind: "budget", value: {} })}>New budget</button>
            ${budget && html`<button class="quiet" onClick=${() => show({ kind: "budget", value: budget })}>Edit this budget</button>`}
          </div>
          ${budget ? html`<${Policies} budget=${budget} show=${show} />` : html`<${Empty}>There is no budget. Make one: it has an owner, a time zone and limits.<//>`}
        `;
      }}
    <//>
    ${open?.kind === "budget" && html`<${BudgetForm} budget=${open.value} close=${() => show(null)} />`}
    ${open?.kind === "policy" && html`<${PolicyForm} policy=${open.value} close=${() => show(null)} />`}
  `;
}

function Policies({ budget, show }) {
  const data = useData(() => ask(`/budgets/${budget.budget_id}/policies`, { limit: 100 }), [budget.budget_id], ["policy.", "budget."]);
  const open = (policy) => show({ kind: "policy", value: policy });
  return html`
    <p>${budget.description ?? ""} ${budget.owner ? `Owner ${budget.owner}. ` : ""}Time zone ${budget.time_zone}.${budget.is_default ? " Requests that name no budget count here." : ""}</p>
    <p><button onClick=${() => open({ budget_id: budget.budget_id })}>New policy</button></p>
    <${Loaded} data=${data}>
      ${(found) =>
        found.items.length
          ? html`<${Table} label="Policies" columns=${LIMITS} rows=${found.items} open=${open} />`
          : html`<${Empty}>Nothing limits this budget yet. A policy says how much may be used in a period, by what.<//>`}
    <//>
  `;
}

function BudgetForm({ budget, close }) {
  const known = budget.budget_id !== undefined;
  const submit = (fields) =>
    known ? send("PUT", `/budgets/${budget.budget_id}`, fields) : send("POST", "/budgets", { ...fields, default_policies: false });
  return html`
    <${Dialog} title=${known ? budget.name : "New budget"} close=${close}>
      <${Form} label="Save" submit=${submit} done=${close}>
        <${Field} name="name" label="Name" value=${budget.name} required />
        <${Field} name="owner" label="Owner" value=${budget.owner} />
        <${Field} name="description" label="What it is for" value=${budget.description} />
        <${Field} name="time_zone" label="Time zone, in which its days begin" value=${budget.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone} required />
      <//>
    <//>
  `;
}

function PolicyForm({ policy, close }) {
  const known = policy.policy_id !== undefined;
  const [draft, setDraft] = useState({ type: "hard_limit", period: "monthly", ...policy });
  const submit = (fields) => (known ? send("PUT", `/policies/${policy.policy_id}`, sent(fields)) : send("POST", "/policies", { budget_id: policy.budget_id, ...sent(fields) }));
  const off = () => send("PUT", `/policies/${policy.policy_id}`, { enabled: !policy.enabled }).then(close, setProblem);
  const [problem, setProblem] = useState(null);
  return html`
    <${Dialog} title=${known ? `${words(policy.period)} limit for ${scope(policy)}` : "New policy"} close=${close}>
      <div class="columns" onInput=${(event) => setDraft({ ...policy, ...Object.fromEntries(new FormData(event.target.form)) })}>
        <${Form} label="Save" submit=${submit} done=${close}>
          <${Choice} name="type" label="Type" value=${draft.type} options=${TYPES.map((type) => [type, `${words(type)}: ${MEANINGS[type]}`])} />
          ${!known && html`<${Choice} name="period" label="Period" value=${draft.period} options=${PERIODS} />`}
          <${Field} name="cost_limit" label="Cost limit in dollars" value=${draft.cost_limit} inputmode="decimal" />
          <${Field} name="token_limit" label="Token limit" value=${draft.token_limit} inputmode="numeric" />
          ${!known && SCOPE.map((field) => html`<${Field} name=${field} label=${`Only this ${words(field)}`} value=${draft[field]} />`)}
          <${Field} name="warning_threshold" label="Warn at this share" value=${draft.warning_threshold ?? 0.8} inputmode="decimal" />
        <//>
        <${Preview} draft=${draft} />
      </div>
      ${problem && html`<${Failure} problem=${problem} />`}
      ${known && html`<button class="quiet" onClick=${off}>${policy.enabled ? "Switch off" : "Switch on"}</button>`}
    <//>
  `;
}

// Counts and shares are numbers on the wire; amounts of money stay the text that was typed, which is exact.
function sent({ token_limit, warning_threshold, ...fields }) {
  if (token_limit !== undefined) fields.token_limit = number(token_limit);
  if (warning_threshold !== undefined) fields.warning_threshold = number(warning_threshold);
  return fields;
}

const number = (text) => (Number.isNaN(Number(text)) ? text : Number(text));

// What the limit would have meant for the last 30 days: in how many windows it would have been passed.
function Preview({ draft }) {
  const [found, setFound] = useState(null);
  const bucket = BUCKETS[draft.period];
  const narrowed = Object.fromEntries(SCOPE.filter((field) => draft[field]).map((field) => [field, draft[field]]));
  const question = JSON.stringify([bucket, narrowed, draft.scope === "global" ? null : draft.budget_id]);
  useEffect(() => {
    let current = true;
    const waiting = setTimeout(async () => {
      if (!bucket) return setFound(null);
      const budget_id = draft.scope === "global" ? undefined : draft.budget_id;
      const said = await ask("/reports/trend", { bucket, budget_id, ...narrowed }).catch((problem) => ({ problem }));
      if (current) setFound(said);
    }, 300);
    return () => {
      current = false;
      clearTimeout(waiting);
    };
  }, [question]);
  if (!bucket) return html`<aside class="preview"><h3>The last 30 days</h3><p>Limits per session or task are not previewed.</p></aside>`;
  if (!found) return html`<aside class="preview"><p class="loading">Looking at the last 30 days…</p></aside>`;
  if (found.problem) return html`<aside class="preview"><${Failure} problem=${found.problem} /></aside>`;
  return html`
    <aside class="preview" aria-live="polite">
      <h3>The last 30 days</h3>
      <${Effect} rows=${found.rows} limit=${draft.cost_limit} worth=${(row) => row.cost} unit="cost" period=${draft.period} />
      <${Effect} rows=${found.rows} limit=${draft.token_limit} worth=${(row) => row.total_tokens} unit="tokens" period=${draft.period} />
    </aside>
  `;
}

function Effect({ rows, limit, worth, unit, period }) {
  const most = Math.max(0, ...rows.map(worth));
  const number = Number(limit);
  if (limit === undefined || limit === null || limit === "" || Number.isNaN(number)) return html`<p>Most in one window: ${amount(most, unit)}.</p>`;
  const passed = rows.filter((row) => worth(row) > number).length;
  return html`
    <p>${passed ? html`<strong>${passed} of ${rows.length}</strong> ${words(period)} windows with usage were above ${amount(number, unit)}.` : `No ${words(period)} window was above ${amount(number, unit)}.`} The most was ${amount(most, unit)}.</p>
    <div class="strip" role="img" aria-label=${`${passed} windows above the limit`}>
      ${rows.map((row) => html`<i class=${worth(row) > number ? "over" : ""} style=${{ height: `${Math.max(4, (100 * worth(row)) / (Math.max(most, number) || 1))}%` }}></i>`)}
    </div>
  `;
}
