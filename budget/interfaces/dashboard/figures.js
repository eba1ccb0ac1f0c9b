// How figures, instants and names are written. Amounts come as exact decimals and are only rounded to be read.

const money = (digits) =>
  new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", minimumFractionDigits: 2, maximumFractionDigits: digits });
const cents = money(2);
const fine = money(6);
const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat("en-US", { style: "percent", maximumFractionDigits: 0 });

export const dollars = (amount) => (Math.abs(amount) > 0 && Math.abs(amount) < 0.1 ? fine : cents).format(amount);
export const exact = (amount) => (amount === null ? "unknown" : `$${amount}`);
export const count = (number) => (number === null || number === undefined ? "–" : whole.format(number));
export const compact = (number) => short.format(number);
export const share = (ratio) => percent.format(ratio);
export const plain = (number, unit) => (unit === "cost" ? dollars(number) : compact(number));
export const amount = (number, unit) => (unit === "cost" ? dollars(number) : `${compact(number)} tokens`);

const dayTime = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
export const moment = (iso) => (iso ? dayTime.format(new Date(iso)) : "–");

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

export function distance(iso) {
  if (!iso) return "never";
  const seconds = (new Date(iso) - Date.now()) / 1000;
  const [unit, length] = STEPS.find(([, each]) => Math.abs(seconds) >= each) ?? STEPS.at(-1);
  return relative.format(Math.round(seconds / length), unit);
}

const SCOPE = ["tier", "provider", "model", "component", "task_type", "user_id", "key_id"];
export const scope = (policy) => SCOPE.map((field) => policy[field]).filter(Boolean).join(" · ") || "everything";
export const words = (name) => name.replaceAll("_", " ").replaceAll(".", " ");
