// Crossings that somebody should know of, and saying that somebody does.

import { html, useState } from "../vendor/preact.js";
import { go } from "../address.js";
import { ask, send } from "../ask.js";
import { useData } from "../data.js";
import { distance, moment } from "../figures.js";
import { Choice, Empty, Failure, Loaded } from "../parts.js";

export function Alerts({ filters }) {
  const acknowledged = filters.acknowledged === "true";
  const [problem, setProblem] = useState(null);
  const data = useData(() => ask("/alerts", { acknowledged, severity: filters.severity, limit: 100 }), [acknowledged, filters.severity], ["limit.", "alert.", "clock."]);
  const acknowledge = async (alert) => {
    try {
      await send("POST", `/alerts/${alert.alert_id}/acknowledge`, {});
      setProblem(null);
    } catch (error) {
      setProblem(error);
    }
    data.again();
  };
  return html`
    <div class="filters">
      <${Choice} label="Severity" value=${filters.severity} options=${[["", "all"], "warning", "error"]} change=${(severity) => go("alerts", { ...filters, severity })} />
      <${Choice} label="State" value=${filters.acknowledged} options=${[["", "open"], ["true", "acknowledged"]]} change=${(value) => go("alerts", { ...filters, acknowledged: value })} />
    </div>
    ${problem && html`<${Failure} problem=${problem} />`}
    <${Loaded} data=${data}>
      ${(found) =>
        found.items.length
          ? html`<ul class="alerts">
              ${found.items.map(
                (alert) => html`<li class=${`card ${alert.severity}`} key=${alert.alert_id}>
                  <div><strong>${alert.title}</strong><p>${alert.message}</p><small title=${alert.created_at ?? alert.timestamp}>${moment(alert.created_at ?? alert.timestamp)}, ${distance(alert.created_at ?? alert.timestamp)}</small></div>
                  ${!acknowledged && html`<button onClick=${() => acknowledge(alert)}>Acknowledge</button>`}
                </li>`,
              )}
            </ul>`
          : html`<${Empty}>${acknowledged ? "No alert has been acknowledged." : "No limit has been approached or passed. An alert comes at the thresholds of a policy, once for each crossing."}<//>`}
    <//>
  `;
}
