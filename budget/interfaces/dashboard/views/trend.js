// What was used over time, stacked by any field, with the limit, the resets and what may come.

import { html, useEffect, useMemo, useRef } from "../vendor/preact.js";
import { go, href } from "../address.js";
import { ask } from "../ask.js";
import { useData } from "../data.js";
import { amount, dollars, compact, moment, scope, share } from "../figures.js";
import { Choice, Empty, Loaded, Table } from "../parts.js";

const FIELDS = ["model", "provider", "component", "task_type", "tier", "budget", "user"];
const NEXT = { provider: "model", model: "component", component: "task_type", task_type: "model", tier: "model" };
const BUCKETS = { 1: "hour", 7: "day", 30: "day", 90: "week", 365: "month" };
const PERIODS = { hour: "hourly", day: "daily", week: "weekly", month: "monthly" };
const MOST_SERIES = 7;
const HEIGHT = 340;
const DAY = 86_400_000;

export function Trend({ filters }) {
  const by = filters.by ?? "model";
  const days = filters.days ?? "30";
  const unit = filters.unit ?? "cost";
  const bucket = filters.bucket ?? BUCKETS[days] ?? "day";
  const narrowed = Object.fromEntries(FIELDS.filter((field) => filters[field]).map((field) => [field, filters[field]]));
  const start = useMemo(() => new Date(Date.now() - (Number(days) - 1) * DAY).toISOString().slice(0, 10), [days]);
  const data = useData(
    () => Promise.all([
      ask("/reports/trend", { by, bucket, from: start, ...narrowed }),
      ask("/limits", { unit, period: PERIODS[bucket], limit: 100 }),
      bucket === "day" ? ask("/reports/forecast", { unit, period: "monthly", ...narrowed }) : null,
    ]),
    [by, bucket, start, unit, JSON.stringify(narrowed)],
    ["usage.", "allocation.charged", "policy."],
  );
  const move = (changed) => go("trend", { ...filters, ...changed });
  return html`
    <div class="filters">
      <${Choice} label="By" value=${by} options=${FIELDS} change=${(value) => move({ by: value })} />
      <${Choice} label="Stretch" value=${days} options=${[["1", "a day"], ["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["365", "a year"]]} change=${(value) => move({ days: value, bucket: "" })} />
      <${Choice} label="Bucket" value=${bucket} options=${["hour", "day", "week", "month"]} change=${(value) => move({ bucket: value })} />
      <${Choice} label="Unit" value=${unit} options=${["cost", "tokens"]} change=${(value) => move({ unit: value })} />
      ${Object.entries(narrowed).map(
        ([field, value]) => html`<button class="chip" onClick=${() => move({ [field]: "" })} aria-label=${`remove ${field} ${value}`}>${field}: ${value} ✕</button>`,
      )}
    </div>
    <${Loaded} data=${data}>
      ${([trend, limits, forecast]) =>
        trend.rows.length
          ? html`<${Chart} trend=${trend} by=${by} unit=${unit} limits=${fitting(limits.items, narrowed)} forecast=${forecast} />
              <${Legend} trend=${trend} by=${by} unit=${unit} filters=${filters} narrowed=${narrowed} />`
          : html`<${Empty}>Nothing was used in this stretch of time. <a href=${href("trend", { by, unit, days: 365 })}>Look at a year</a>, or take filters away.<//>`}
    <//>
  `;
}

// The limits that count just what is shown.
function fitting(limits, narrowed) {
  const asked = Object.values(narrowed).join(" · ") || "everything";
  return limits.filter((limit) => limit.limit > 0 && scope(limit) === asked);
}

const worth = (row, unit) => (unit === "cost" ? row.cost : row.total_tokens);

// Totals by name, the dearest first; what is beyond the first few is one.
function ranked(trend, by, unit) {
  const totals = new Map();
  for (const row of trend.rows) totals.set(row[by], (totals.get(row[by]) ?? 0) + worth(row, unit));
  return [...totals].sort((a, b) => b[1] - a[1]);
}

function stacked(trend, by, unit) {
  const names = ranked(trend, by, unit).map(([name]) => name);
  const shown = names.slice(0, MOST_SERIES);
  const labels = names.length > MOST_SERIES ? [...shown, "others"] : shown;
  const starts = (trend.buckets ?? [...new Map(trend.rows.map((row) => [row.start, row])).values()]).map((bucket) => bucket.start ?? bucket);
  const place = new Map(starts.map((start, index) => [start, index]));
  const series = labels.map(() => starts.map(() => 0));
  for (const row of trend.rows) {
    const index = shown.indexOf(row[by]);
    series[index < 0 ? labels.length - 1 : index][place.get(row.start)] += worth(row, unit);
  }
  return { times: starts.map((start) => new Date(start) / 1000), labels, series };
}

function Chart({ trend, by, unit, limits, forecast }) {
  const place = useRef(null);
  useEffect(() => {
    const drawn = draw(place.current, stacked(trend, by, unit), unit, limits, forecast);
    const resized = new ResizeObserver(([entry]) => drawn.setSize({ width: entry.contentRect.width, height: HEIGHT }));
    resized.observe(place.current);
    return () => {
      resized.disconnect();
      drawn.destroy();
    };
  }, [trend, by, unit, limits, forecast]);
  const total = unit === "cost" ? dollars(trend.totals.cost) : `${compact(trend.totals.total_tokens)} tokens`;
  return html`<figure>
    <figcaption>${total} from ${moment(trend.start)} to ${moment(trend.end)}, ${share(trend.coverage.priced_ratio ?? 1)} of it priced. Drag to zoom, double-click to go back.</figcaption>
    <div class="chart" ref=${place} role="img" aria-label=${`Usage by ${by}; the table below has the figures`}></div>
  </figure>`;
}

function draw(place, { times, labels, series }, unit, limits, forecast) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const sums = series.map((_, level) => times.map((_, at) => series.slice(0, level + 1).reduce((sum, each) => sum + each[at], 0)));
  const band = forecastBand(forecast, times, unit);
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    scales: { y: { range: (_, __, most) => [0, Math.max(most, ...limits.map((limit) => limit.limit).filter((each) => each < 4 * most)) * 1.08 || 1] } },
    axes: [axis, { ...axis, size: 70, values: (_, ticks) => ticks.map((tick) => (unit === "cost" ? dollars(tick) : compact(tick))) }],
    bands: band.series.length ? [{ series: [labels.length + 2, labels.length + 1], fill: `${colour("--soft")}33` }] : [],
    series: [
      { value: (_, at) => (at === null ? "–" : moment(new Date(at * 1000).toISOString())) },
      ...labels
        .map((label, level) => ({
          label: label ?? "none",
          stroke: colour(`--series-${level + 1}`),
          fill: colour(`--series-${level + 1}`),
          width: 1,
          points: { show: false },
          value: (_, __, ___, at) => (at === null ? "–" : amount(series[level][at], unit)),
        }))
        .reverse(),
      ...band.series.map((each) => ({ ...each, stroke: colour("--ink"), dash: [4, 4], width: 1.5, points: { show: false }, value: (_, found) => (found === null ? "–" : amount(found, unit)) })),
    ],
    hooks: { draw: [(chart) => lines(chart, limits, colour)] },
  };
  const data = [[...times, ...band.times], ...sums.map((each) => [...each, ...band.times.map(() => null)]).reverse(), ...band.data];
  return new window.uPlot(options, data, place);
}

// What may come in each day left of the month, four times in five: the forecast of the month less what is used, spread evenly.
function forecastBand(forecast, times, unit) {
  const none = { times: [], series: [], data: [] };
  const said = forecast?.forecast;
  if (!said || said.insufficient_history || said.projected === null) return none;
  const ahead = [];
  for (let at = times.at(-1) + DAY / 1000; at < new Date(forecast.end) / 1000; at += DAY / 1000) ahead.push(at);
  if (!ahead.length) return none;
  const used = worth(forecast.totals, unit);
  const pad = times.map(() => null);
  return {
    times: ahead,
    series: [{ label: "forecast, low" }, { label: "forecast, high" }],
    data: [said.projected_low, said.projected_high].map((end) => [...pad, ...ahead.map(() => Math.max(0, end - used) / ahead.length)]),
  };
}

// A line across for each limit, and one upright where a month begins.
function lines(chart, limits, colour) {
  const { ctx, bbox } = chart;
  const { left, top, width, height } = bbox;
  ctx.save();
  ctx.setLineDash([6, 4]);
  ctx.lineWidth = 1.5;
  ctx.font = `${12 * devicePixelRatio}px system-ui`;
  ctx.textAlign = "left";
  for (const limit of limits) {
    const y = chart.valToPos(limit.limit, "y", true);
    if (y < top) continue;
    ctx.strokeStyle = ctx.fillStyle = colour("--over");
    stroke(ctx, left, y, left + width, y);
    ctx.fillText(`${limit.period} limit ${amount(limit.limit, limit.unit)}`, left + 8, y - 5);
  }
  ctx.strokeStyle = colour("--soft");
  const [first, last] = [chart.scales.x.min, chart.scales.x.max];
  const month = new Date(first * 1000);
  month.setUTCHours(0, 0, 0, 0);
  month.setUTCDate(1);
  for (month.setUTCMonth(month.getUTCMonth() + 1); month / 1000 < last; month.setUTCMonth(month.getUTCMonth() + 1)) {
    const x = chart.valToPos(month / 1000, "x", true);
    stroke(ctx, x, top, x, top + height);
  }
  ctx.restore();
}

function stroke(ctx, x1, y1, x2, y2) {
  ctx.beginPath();
  ctx.moveTo(x1, y1);
  ctx.lineTo(x2, y2);
  ctx.stroke();
}

function Legend({ trend, by, unit, filters, narrowed }) {
  const rows = ranked(trend, by, unit);
  const all = rows.reduce((sum, [, value]) => sum + value, 0) || 1;
  const field = by === "budget" ? "budget_id" : by;
  const deeper = (name) => href("trend", { ...filters, ...narrowed, [field]: name, by: NEXT[by] ?? "model" });
  const columns = [
    [by.replace("_", " "), ([name]) => (name === null ? "none" : NEXT[by] ? html`<a href=${deeper(name)}>${name}</a>` : name)],
    [unit, ([, value]) => amount(value, unit), "number"],
    ["share", ([, value]) => share(value / all), "number"],
  ];
  return html`<${Table} label=${`Usage by ${by}`} columns=${columns} rows=${rows} />`;
}
