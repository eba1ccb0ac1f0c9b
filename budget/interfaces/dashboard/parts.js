// What several views are made of: gauges, tables, forms, and what is said where there is nothing.

import { html, useEffect, useRef, useState } from "./vendor/preact.js";
import { amount, distance, moment, plain, scope, share, words } from "./figures.js";

export function Failure({ problem }) {
  return html`<p class="problem" role="alert">${problem.message}</p>`;
}

export function Empty({ children }) {
  return html`<div class="empty">${children}</div>`;
}

// What a view shows of data that is being read: the last that came, even while the next is on its way or fails.
export function Loaded({ data, children }) {
  return html`
    ${data.problem && html`<${Failure} problem=${data.problem} />`}
    ${data.value === null ? !data.problem && html`<p class="loading">Loading…</p>` : children(data.value)}
  `;
}

// A limit in three parts: used, held for calls that run, free.
export function Gauge({ limit }) {
  const { used, held, free, unit } = limit;
  const most = Math.max(limit.limit, used + held) || 1;
  const part = (value) => ({ width: `${(100 * Math.max(0, value)) / most}%` });
  const taken = limit.limit ? (used + held) / limit.limit : 1;
  const level = limit.exceeded || taken > 1 ? "over" : taken >= 0.8 ? "near" : "fine";
  const said = `${amount(used, unit)} used, ${amount(held, unit)} held, ${amount(free, unit)} free of ${amount(limit.limit, unit)}`;
  return html`
    <article class=${`card gauge ${level}`} aria-label=${`${limit.period} ${unit} limit of ${scope(limit)}`}>
      <h3>${words(limit.period)} · ${scope(limit)} <small>${words(limit.type)}</small></h3>
      <p class="figure">${plain(used, unit)} <small>of ${amount(limit.limit, unit)}</small></p>
      <div class="bar" role="img" aria-label=${said} title=${said}>
        <i class="used" style=${part(used)}></i><i class="held" style=${part(held)}></i><i class="free" style=${part(free)}></i>
      </div>
      <dl class="parts">
        <div><dt class="used">used</dt><dd>${share(used / (limit.limit || 1))}</dd></div>
        <div><dt class="held">held</dt><dd>${plain(held, unit)}</dd></div>
        <div><dt class="free">free</dt><dd>${plain(free, unit)}</dd></div>
      </dl>
      <p class="when">${outlook(limit)}</p>
    </article>
  `;
}

function outlook(limit) {
  const resets = limit.resets_at ? `resets ${distance(limit.resets_at)}` : "never resets";
  const ends = limit.forecast?.exhausts_at;
  if (ends && limit.resets_at && new Date(ends) < new Date(limit.resets_at)) {
    return html`<strong>runs out ${distance(ends)}</strong> (${moment(ends)}) at this pace, ${resets}`;
  }
  return resets;
}

// Rows of fields; `columns` is [title, row → cell, class].
export function Table({ label, columns, rows, open }) {
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead><tr>${columns.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}</tr></thead>
        <tbody>
          ${rows.map(
            (row) => html`<tr>
              ${columns.map(([, cell, kind], place) =>
                place === 0 && open
                  ? html`<th scope="row" class=${kind}><button class="link" onClick=${() => open(row)}>${cell(row)}</button></th>`
                  : html`<td class=${kind}>${cell(row)}</td>`,
              )}
            </tr>`,
          )}
        </tbody>
      </table>
    </div>
  `;
}

// A window above the page; Escape closes it, and focus goes back to where it was.
export function Dialog({ title, close, children }) {
  const place = useRef(null);
  useEffect(() => place.current.showModal(), []);
  return html`
    <dialog ref=${place} onClose=${close} aria-label=${title}>
      <form method="dialog" class="close"><h2>${title}</h2><button aria-label="Close">✕</button></form>
      ${children}
    </dialog>
  `;
}

// A form that sends its fields and shows what was wrong with them, beside the field if it has a name.
export function Form({ children, submit, label, done }) {
  const [problem, setProblem] = useState(null);
  const [sending, setSending] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    setSending(true);
    try {
      await submit(given(event.target));
      setProblem(null);
      done?.();
    } catch (error) {
      setProblem(error);
      event.target.elements[error.field]?.focus();
    } finally {
      setSending(false);
    }
  };
  return html`
    <form onSubmit=${send}>
      ${children}
      ${problem && html`<${Failure} problem=${problem} />`}
      <button disabled=${sending}>${label}</button>
    </form>
  `;
}

// What a form holds: empty fields are left out, numbers stay the text that was typed (amounts are exact).
function given(form) {
  const fields = {};
  for (const [name, value] of new FormData(form)) if (value.trim() !== "") fields[name] = value.trim();
  return fields;
}

export function Field({ name, label, value, onInput, ...more }) {
  return html`<label>${label}<input name=${name} value=${value} onInput=${onInput} ...${more} /></label>`;
}

export function Choice({ name, label, value, options, change }) {
  return html`
    <label>${label}
      <select name=${name} onChange=${(event) => change?.(event.target.value)}>
        ${options.map((option) => {
          const [key, text] = Array.isArray(option) ? option : [option, words(option)];
          return html`<option value=${key} selected=${key === (value ?? "")}>${text}</option>`;
        })}
      </select>
    </label>
  `;
}
