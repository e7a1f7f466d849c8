// Price, carbon and load of the whole demo, aligned; with a readout under the pointer and a table for those who do not see it.

import { steps, strip, valueAt } from "./chart.js";
import { by, fillTable, h } from "./dom.js";
import { NONE, clockChanges, dayHour, full, inSmallCoin, localHours, price, unit } from "./words.js";

const QUARTER = 900;
const SYNC = "fleet";
let strips = null, latest = null, shownAt = null;

function name(kind, title, what) {
  return h("p", { class: `strip-name ${kind}` }, title, h("span", {}, what));
}

function make() {
  const host = by("strips");
  const add = (kind, title, what, options) => {
    const box = h("div", { class: "strip" }, name(kind, title, what));
    host.append(box);
    return strip(box, { sync: SYNC, onHover: hover, label: `${title}, ${what}; the table below says the same`, ...options });
  };
  return {
    price: add("price", "Price", unit, { height: 104, series: [{ stroke: "price" }], from: 0 }),
    carbon: add("carbon", "Carbon", "g CO₂/kWh", { height: 104, series: [{ stroke: "carbon" }], from: 0 }),
    load: add("load", "Charging", "kW, whole fleet", {
      height: 150, axis: true, from: 0,
      series: [
        { stroke: "managed", fill: "planned-fill", dash: [2, 3], width: 1.25 },
        { stroke: "managed", fill: "managed-fill" },
        { stroke: "unmanaged", dash: [6, 4] },
      ],
    }),
  };
}

/** Draw what `/api/curves` says. */
export function show(curves) {
  strips ??= make();
  const view = { start: curves.start, end: curves.end, now: curves.now };
  const priceColumns = steps(curves.price), carbonColumns = steps(curves.carbon);
  const load = loadColumns(curves);
  latest = { curves, price: priceColumns, carbon: carbonColumns, load };
  strips.price.set(inSmallCoin(priceColumns), view);
  strips.carbon.set(carbonColumns, view);
  strips.load.set(load, view);
  by("change-key").hidden = clockChanges(curves.start, curves.end).length === 0;
  readout();
  if (by("curves-text").open) table();
}

function loadColumns({ start, end, managed, unmanaged, planned }) {
  const xs = [];
  for (let t = start; t < end; t += QUARTER) xs.push(t, t + QUARTER - 1); // both ends: a step holds until a gap begins
  const column = (pairs, fill) => {
    const known = new Map(pairs);
    return xs.map((t) => known.get(t - ((t - start) % QUARTER)) ?? fill(t));
  };
  const first = planned.length ? planned[0][0] : end;
  const last = planned.length ? planned.at(-1)[0] + QUARTER : end;
  return [xs, column(planned, (t) => (t >= first && t < last ? 0 : null)), column(managed, () => null), column(unmanaged, () => null)];
}

function hover(t) {
  shownAt = t;
  readout();
}

function at(t) {
  const { price: p, carbon, load } = latest;
  const kw = (series) => valueAt([load[0], load[series]], t);
  return { price: valueAt(p, t), carbon: valueAt(carbon, t), managed: kw(2) ?? kw(1), planned: kw(2) === null, unmanaged: kw(3) };
}

function readout() {
  if (!latest) return;
  // The quarter hour that just passed is the newest the meters know.
  const t = shownAt ?? latest.curves.now - QUARTER;
  const { price: p, carbon, managed, planned, unmanaged } = at(t);
  by("readout").replaceChildren(
    h("b", {}, shownAt === null ? "Now" : full(t)), `  ·  ${price(p)} ${unit}  ·  ${whole(carbon)} g/kWh  ·  `,
    h("b", {}, `${whole(managed)} kW`), planned && managed !== null ? " planned" : "", unmanaged === null ? "" : `, at once ${whole(unmanaged)} kW`,
  );
}

const whole = (value) => (value === null || value === undefined ? NONE : String(Math.round(value)));

function table() {
  const { start, end } = latest.curves;
  const rows = localHours(start, end - 1, 1).map((t) => {
    const { price: p, carbon, managed, planned, unmanaged } = at(t);
    return [dayHour(t), price(p), whole(carbon), whole(managed) + (planned && managed !== null ? " planned" : ""), whole(unmanaged)];
  });
  fillTable(by("curves-table"), ["Local time", `Price, ${unit}`, "Carbon, g/kWh", "Charging, kW", "At once, kW"], rows);
  for (const { at: t, hours } of clockChanges(start, end)) {
    by("curves-table").prepend(h("caption", {}, `The clock goes ${hours > 0 ? "forward" : "back"} ${Math.abs(hours)} h: ${full(t)}.`));
  }
}

by("curves-text").addEventListener("toggle", () => { if (latest && by("curves-text").open) table(); });
