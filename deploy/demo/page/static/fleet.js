// Tiles, pushes and the table of cars. Rows keep their place and focus while their content changes.

import { by, fillTable, h, s } from "./dom.js";
import { NONE, dayHour, full, hour, kwh, localHours, money, near, percent } from "./words.js";

const MOST_ROWS = 100;
const rows = new Map();
const wanted = new Set();
let latest = null, shownPushes = null, open = () => {};

/** Call `onOpen(key)` when a car is chosen. */
export function start(onOpen) {
  open = onOpen;
  by("search").addEventListener("input", cars);
  for (const chip of by("chips").children) chip.addEventListener("click", () => toggle(chip));
}

/** Draw what `/api/fleet` says. */
export function show(fleet) {
  latest = fleet;
  by("clock").textContent = full(fleet.now);
  by("clock").setAttribute("datetime", new Date(fleet.now * 1000).toISOString());
  by("progress").value = fleet.progress;
  by("tiles").replaceChildren(...fleet.tiles.map(tile));
  for (const chip of by("chips").children) chip.querySelector("b").textContent = fleet.states[chip.dataset.state];
  pushes(fleet.pushes);
  pipeline(fleet);
  books(fleet.books);
  cars();
}

function tile({ label, value, note }) {
  return h("div", { class: "tile" }, h("p", { class: "label" }, label), h("p", { class: "value" }, value), h("p", { class: "note" }, note));
}

function toggle(chip) {
  const on = !wanted.delete(chip.dataset.state);
  if (on) wanted.add(chip.dataset.state);
  chip.setAttribute("aria-pressed", on);
  cars();
}

function chosen() {
  const order = Object.keys(latest.states);
  const text = by("search").value.trim().toLowerCase();
  return latest.cars
    .filter((car) => (wanted.size === 0 || wanted.has(car.state)) && `${car.model} ${car.key}`.toLowerCase().includes(text))
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state) || (a.next_start ?? Infinity) - (b.next_start ?? Infinity) || a.key.localeCompare(b.key));
}

function cars() {
  if (!latest) return;
  const found = chosen();
  const span = night(latest.now);
  hours(span);
  const shown = found.slice(0, MOST_ROWS).map((car) => row(car, span));
  const body = by("rows");
  shown.forEach((element, n) => { if (body.children[n] !== element) body.insertBefore(element, body.children[n] ?? null); });
  while (body.children.length > shown.length) body.lastChild.remove();
  by("more").textContent = found.length === 0 ? "No car matches." : found.length > MOST_ROWS ? `The first ${MOST_ROWS} of ${found.length}; search or choose a state to see others.` : "";
}

function row(car, span) {
  const content = JSON.stringify([car, span, Math.abs(latest.now - (car.next_start ?? latest.now)) < 86400]);
  let known = rows.get(car.key);
  if (known?.content !== content) {
    const element = known?.element ?? clickable(h("tr"), car.key);
    const focused = element.contains(document.activeElement);
    element.replaceChildren(...cells(car, span));
    if (focused) element.querySelector("button").focus();
    known = { element, content, now: element.querySelector(".now") };
    rows.set(car.key, known);
  }
  const x = place(latest.now, span);
  known.now.setAttribute("x1", x);
  known.now.setAttribute("x2", x);
  return known.element;
}

function clickable(element, key) {
  element.addEventListener("click", () => open(key));
  return element;
}

function cells(car, span) {
  return [
    h("td", {}, h("button", { type: "button", class: "car-name", "aria-haspopup": "dialog" }, car.model, h("small", {}, car.key))),
    h("td", { class: "state", "data-state": car.state }, h("i", { class: "dot" }), h("b", {}, car.state), h("small", {}, car.sentence)),
    h("td", {}, battery(car)),
    h("td", {}, near(car.next_start, latest.now)),
    h("td", {}, near(car.ready_by, latest.now)),
    h("td", {}, gantt(car, span)),
  ];
}

function battery({ soc_pct: soc, target_soc_pct: target }) {
  const bar = s("svg", { class: "bar", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "track", width: 100, height: 10, rx: 2 }), soc === null ? null : s("rect", { class: "fill", width: soc, height: 10, rx: 2 }),
    target === null ? null : s("line", { class: "target", x1: target, x2: target, y1: 0, y2: 10 }));
  return h("span", { class: "battery", title: target === null ? null : `target ${percent(target)}` }, bar, percent(soc));
}

// From local noon to local noon, so that a night is whole.
function night(now) {
  const noons = localHours(now - 2 * 86400, now + 2 * 86400, 12).filter((t) => hour(t) === "12:00");
  const start = noons.filter((t) => t <= now).at(-1);
  return [start, noons.find((t) => t > start)];
}

const place = (t, [start, end]) => Math.max(0, Math.min(240, (240 * (t - start)) / (end - start)));

function gantt({ plugged_at: plugged, ready_by: ready, blocks, energy_kwh: energy, cost }, span) {
  const box = (kind, start, end, y, height) => {
    const x = place(start, span);
    return s("rect", { class: kind, x, width: Math.max(0, place(end, span) - x), y, height });
  };
  const x = ready === null ? null : place(ready, span);
  const text = blocks.length ? `${blocks.map(([a, b]) => `${hour(a)} to ${hour(b)}`).join(", ")}: ${kwh(energy)}, ${money(cost)}` : "no plan";
  return s("svg", { class: "gantt", viewBox: "0 0 240 20", preserveAspectRatio: "none", role: "img", "aria-label": text },
    s("title", {}, text), plugged === null ? null : box("stay", plugged, ready ?? span[1], 8, 4), ...blocks.map(([a, b]) => box("block", a, b, 3, 14)),
    plugged === null || x === null ? null : s("line", { class: "ready", x1: x, x2: x, y1: 4, y2: 16 }), s("line", { class: "now", y1: 0, y2: 20 }));
}

function hours([start, end]) {
  if (by("hours").dataset.start === String(start)) return;
  by("hours").dataset.start = start;
  by("hours").replaceChildren(...localHours(start, end, 6).map((t) => {
    const label = h("span", {}, hour(t));
    label.style.left = `${(100 * (t - start)) / (end - start)}%`;
    return label;
  }));
}

function pushes(list) {
  const newest = [...list].reverse();
  const content = JSON.stringify(newest);
  if (content === shownPushes) return;
  shownPushes = content;
  by("pushes").replaceChildren(...newest.map(push));
  if (!newest.length) by("pushes").append(h("li", { class: "muted" }, "None yet."));
}

/** One push as a list item. */
export function push({ at, title, body, model, failed }) {
  return h("li", {}, h("time", {}, hour(at)), h("div", {}, h("b", {}, title), failed ? h("span", { class: "muted" }, " (failed)") : null, h("p", {}, body), h("p", { class: "muted" }, `${model}, ${dayHour(at)}`)));
}

function pipeline({ commands, workers, lag }) {
  const steps = Object.entries(commands).map(([phase, n]) => `${n} ${phase}`).join(", ");
  const facts = [["Commands", steps || NONE], ["Lag", `${lag} records`], ...workers.map((w) => [w.name, w.ready ? `partitions ${w.partitions.join(" ") || "none"}` : "starting"])];
  by("pipeline").replaceChildren(...facts.flatMap(([name, said]) => [h("dt", {}, name), h("dd", {}, said)]));
}

function books(told) {
  by("books").hidden = told === null;
  if (told === null || by("books").dataset.shown) return;
  by("books").dataset.shown = "yes";
  by("books-title").textContent = told.heading;
  fillTable(by("books-table"), ["", ...told.ways], told.rows.map((line) => [line.name, ...line.cells]),
    (n, column) => (column === -1 ? (told.rows[n].part ? "part" : null) : column === 1 ? "own" : null));
}
