// Requests to Budget's own REST API: JSON in, JSON out; a refusal becomes a `Problem` that says what and why.

export class Problem extends Error {
  constructor(status, said) {
    super(said.detail || said.title || `status ${status}`);
    this.status = status;
    this.field = said.errors?.[0]?.field;
    this.said = said;
  }
}

export async function ask(path, fields = {}) {
  const asked = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    for (const each of [value].flat()) if (each !== undefined && each !== null && each !== "") asked.append(name, each);
  }
  return send("GET", asked.size ? `${path}?${asked}` : path);
}

export async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, { detail: "Budget cannot be reached" });
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, said);
  return said;
}
