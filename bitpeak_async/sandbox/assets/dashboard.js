"use strict";

// Data from requests is only inserted as text; the Content-Security-Policy refuses markup.

const POLL_MS = 1000;
const MASK = "••••••••";
const revealed = new Set();
const drawn = new Map(); // table body -> Map of key -> {json, row}
let paused = false;

const byId = (id) => document.getElementById(id);

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function secret(key, name, value) {
  const button = make("button", { type: "button", className: "value" });
  const show = () => {
    const open = revealed.has(key);
    button.textContent = open ? value : MASK;
    button.setAttribute("aria-pressed", String(open));
    button.setAttribute("aria-label", open ? `${name}: ${value}` : `Show ${name}`);
  };
  button.addEventListener("click", () => {
    revealed.delete(key) || revealed.add(key);
    show();
  });
  show();
  return button;
}

function fields(owner, list) {
  const rows = list.map(({ name, value, secret: hidden }) => {
    const shown = hidden ? secret(`${owner} ${name}`, name, value) : value;
    return make("div", {}, make("dt", {}, name), make("dd", { className: "value" }, shown));
  });
  return rows.length ? make("dl", {}, ...rows) : "–";
}

function tableRow(table, cells) {
  const labels = [...table.querySelectorAll("th")].map((th) => th.textContent);
  const columns = cells.map(([content, className = ""], index) => {
    const cell = make("td", { className }, content);
    cell.dataset.label = labels[index];
    return cell;
  });
  return make("tr", {}, ...columns);
}

function handlerRow(handler) {
  return tableRow(byId("handlers-table"), [
    [String(handler.id), "number"],
    [handler.name],
    [handler.type, "kind"],
    [fields(`handler ${handler.id}`, handler.settings)],
    [["no", "yes", "unconfirmed"][handler.is_enabled], handler.is_enabled === 1 ? "good" : "odd"],
    [handler.last_datetime ? `${handler.last_datetime} UTC` : "never", "number"],
  ]);
}

function statusOf({ status, duration }) {
  if (status === null) {
    return duration === null ? ["in flight", "odd"] : ["no response", "bad"];
  }
  return [String(status), status < 300 ? "good" : status < 500 ? "odd" : "bad"];
}

function clock(seconds) {
  const time = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const hours = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(":");
  return `${hours}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

function requestRow(request) {
  const { id, time, method, path, duration } = request;
  return tableRow(byId("requests-table"), [
    [clock(time), "number"],
    [method, "kind"],
    [path, "path"],
    [fields(`request ${id}`, request.fields)],
    statusOf(request),
    [duration === null ? "–" : (duration * 1000).toFixed(1), "number"],
  ]);
}

// Unchanged rows keep their elements, and so the focus.
function draw(name, items, total, row) {
  const body = byId(name);
  const before = drawn.get(body) ?? new Map();
  const now = new Map();
  for (const item of items) {
    const json = JSON.stringify(item);
    const old = before.get(item.id);
    now.set(item.id, old?.json === json ? old : { json, row: row(item) });
  }
  const kept = new Set([...now.values()].map((one) => one.row));
  for (const old of [...body.children]) {
    if (!kept.has(old)) old.remove();
  }
  [...kept].forEach((wanted, index) => {
    if (body.children[index] !== wanted) body.insertBefore(wanted, body.children[index] ?? null);
  });
  drawn.set(body, now);
  byId(`${name}-count`).textContent = total > items.length ? `${items.length} of ${total}` : total;
  byId(`${name}-empty`).hidden = items.length > 0;
  byId(`${name}-table`).hidden = items.length === 0;
}

function drawFaults(faults) {
  const texts = faults.map(({ fault, method, path, left }) => {
    const which = [method ?? "any method", path].filter(Boolean).join(" ");
    return `${fault}: ${which}, ${left === null ? "until cleared" : `${left} left`}`;
  });
  const list = byId("faults");
  if (list.dataset.shown !== texts.join("\n")) {
    list.dataset.shown = texts.join("\n");
    list.replaceChildren(...texts.map((text) => make("li", {}, text)));
  }
  byId("clear").disabled = faults.length === 0;
}

function say(id, text, className = "") {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
  element.className = className;
}

async function refresh() {
  try {
    const response = await fetch("/sandbox/state");
    if (!response.ok) throw new Error(await response.text());
    const state = await response.json();
    draw("handlers", state.handlers, state.handlers_total, handlerRow);
    draw("requests", state.requests, state.requests_total, requestRow);
    drawFaults(state.faults);
    say("connection", paused ? "paused" : "live", paused ? "paused" : "");
  } catch {
    say("connection", "not reachable", "off");
  }
}

async function change(options, done) {
  try {
    const response = await fetch("/sandbox/faults", options);
    say("message", response.ok ? done : await response.text(), response.ok ? "spoken" : "off");
  } catch {
    say("message", "The sandbox is not reachable.", "off");
  }
  await refresh();
}

function inject(button) {
  const times = byId("times");
  const retryAfter = byId("retry-after");
  if (!times.reportValidity() || !retryAfter.reportValidity()) return;
  const wanted = {
    fault: button.dataset.fault,
    method: byId("method").value || null,
    times: byId("endless").checked ? null : times.valueAsNumber,
    retry_after: retryAfter.valueAsNumber,
  };
  change({ method: "POST", body: JSON.stringify(wanted) }, `${button.textContent}: injected.`);
}

async function poll() {
  if (!paused && !document.hidden) await refresh();
  setTimeout(poll, POLL_MS);
}

byId("base-url").textContent = `${location.origin}/api`;
for (const button of document.querySelectorAll("[data-fault]")) {
  button.addEventListener("click", () => inject(button));
}
byId("clear").addEventListener("click", () => change({ method: "DELETE" }, "Faults cleared."));
byId("endless").addEventListener("change", ({ target }) => {
  byId("times").disabled = target.checked;
});
byId("pause").addEventListener("click", ({ target }) => {
  paused = !paused;
  target.setAttribute("aria-pressed", String(paused));
  target.textContent = paused ? "Resume" : "Pause";
  refresh();
});
document.addEventListener("visibilitychange", () => document.hidden || paused || refresh());
poll();
