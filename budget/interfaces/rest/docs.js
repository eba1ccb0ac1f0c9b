"use strict";
const make = (tag, text, ...children) => {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  element.append(...children);
  return element;
};
const refName = schema => schema.$ref.split("/").pop();
const typeOf = schema => {
  if (!schema) return "any";
  if (schema.$ref) return refName(schema);
  const options = schema.anyOf || schema.oneOf;
  if (options) return [...new Set(options.map(typeOf))].join(" or ");
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(" or ");
  if (schema.type === "array") return "list of " + typeOf(schema.items);
  return [].concat(schema.type || "any").join(" or ");
};
const bounds = schema => {
  const names = {minimum: "at least", maximum: "at most", minLength: "length at least", maxLength: "length at most",
    maxItems: "at most … items", default: "default"};
  const all = [schema, ...(schema.anyOf || [])];
  return Object.entries(names).flatMap(([name, words]) => {
    const found = all.find(each => each && each[name] !== undefined);
    return found ? [words + " " + JSON.stringify(found[name])] : [];
  }).join(", ");
};
const fields = schema => {
  const table = make("table", null);
  const required = schema.required || [];
  for (const [name, field] of Object.entries(schema.properties || {})) {
    const notes = [required.includes(name) ? "required" : "", bounds(field), field.description || ""];
    table.append(make("tr", null, make("td", null, make("code", name)), make("td", typeOf(field)),
      make("td", notes.filter(Boolean).join("; "))));
  }
  return table;
};
const content = (heading, types) => Object.entries(types || {}).flatMap(([type, {schema, example}]) => {
  const parts = [make("p", `${heading} (${type}): ${typeOf(schema)}`)];
  if (schema && schema.properties) parts.push(fields(schema));
  if (example !== undefined) parts.push(make("pre", JSON.stringify(example, null, 2)));
  return parts;
});
const show = (path, method, operation) => {
  const name = make("summary", null, make("b", method.toUpperCase()), make("code", path), make("span", operation.summary || ""));
  name.firstChild.className = "method";
  const body = make("details", null, name, make("p", operation.description || ""));
  if (operation.parameters) body.append(make("p", "Parameters"), fields({
    properties: Object.fromEntries(operation.parameters.map(each =>
      [each.name, {...each.schema, description: [each.in, each.description].filter(Boolean).join(": ")}])),
    required: operation.parameters.filter(each => each.required).map(each => each.name),
  }));
  if (operation.requestBody) body.append(...content("Body", operation.requestBody.content));
  for (const [status, answer] of Object.entries(operation.responses)) {
    body.append(...(answer.content ? content(`${status} ${answer.description}`, answer.content)
      : [make("p", `${status} ${answer.description}`)]));
  }
  body.dataset.text = `${path} ${method} ${operation.summary} ${operation.description}`.toLowerCase();
  return body;
};
const load = async () => {
  const document_ = await (await fetch("openapi.json")).json();
  document.getElementById("about").textContent = `${document_.info.version}. ${document_.info.description}`;
  const groups = {};
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const group = path.split("/").filter(part => part && part !== "api" && part !== "v1")[0] || "service";
      (groups[group] ||= []).push(show(path, method, operation));
    }
  }
  for (const [group, shown] of Object.entries(groups).sort()) {
    document.getElementById("operations").append(make("section", null, make("h2", group), ...shown));
  }
  for (const [name, schema] of Object.entries(document_.components.schemas).sort()) {
    document.getElementById("schemas").append(make("details", null,
      make("summary", null, make("code", name), make("span", schema.description || "")), fields(schema)));
  }
};
document.getElementById("filter").addEventListener("input", event => {
  const wanted = event.target.value.toLowerCase();
  for (const each of document.querySelectorAll("#operations details")) each.hidden = !each.dataset.text.includes(wanted);
});
load().catch(error => { document.getElementById("about").textContent = `The document cannot be read: ${error}`; });
