// One car: what it does and why, its plan over price and carbon, what was asked of it and what came of it.

import { steps, strip } from "./chart.js";
import { by, fillTable, h } from "./dom.js";
import { push } from "./fleet.js";
import { NONE, dayHour, hour, inSmallCoin, kg, kwh, money, near, percent, plain, unit } from "./words.js";

let key = null, strips = [], shown = null;

/** Open the sheet for a car; its content comes with the next `refresh`. */
export function open(wanted) {
  key = wanted;
  if (location.hash !== `#${wanted}`) history.replaceState(null, "", `#${wanted}`);
  if (!by("car").open) by("car").showModal();
}

export const current = () => key;

/** Prepare the sheet's ways out. */
export function start() {
  by("car-close").addEventListener("click", () => by("car").close());
  by("car").addEventListener("click", (event) => { if (event.target === by("car")) by("car").close(); });
  by("car").addEventListener("close", () => {
    key = null;
    clear();
    by("car-body").replaceChildren();
    history.replaceState(null, "", location.pathname);
  });
}

function clear() {
  strips.forEach((one) => one.destroy());
  strips = [];
  shown = null;
}

/** Draw what `/api/cars/…` says, over the curves of the fleet. */
export function show(car, curves) {
  const content = JSON.stringify(car);
  if (content !== shown) {
    const top = by("car").scrollTop, unfolded = by("car-body").querySelector("details")?.open ?? false;
    clear();
    shown = content;
    by("car-title").textContent = car.model;
    by("car-key").textContent = car.key;
    by("car-body").replaceChildren(now(car, curves.now), chart(car), ...[why(car), trail(car), history_(car), told(car)].filter(Boolean));
    strips = draw(car);
    by("car-body").querySelector("details")?.toggleAttribute("open", unfolded);
    by("car").scrollTop = top;
  }
  const view = { start: car.shown[0], end: car.shown[1], now: curves.now, blocks: car.plan?.blocks ?? [], readyBy: car.ready_by };
  strips[0].set(inSmallCoin(steps(curves.price)), view);
  strips[1].set(steps(curves.carbon), view);
}

const card = (title, ...content) => h("section", { class: "card" }, title ? h("h3", {}, title) : null, ...content);
const facts = (pairs) => h("dl", { class: "facts" }, pairs.flatMap(([name, said]) => [h("dt", {}, name), h("dd", {}, said)]));

function now(car, at) {
  const heard = car.soc_time === null ? "" : `, heard ${near(car.soc_time, at)}`;
  return card(null,
    h("p", { class: "lead-state", "data-state": car.state }, h("i", { class: "dot" }), car.state),
    h("p", { class: "lead" }, car.sentence),
    h("p", { class: "muted" }, `Battery ${percent(car.soc_pct)} of ${percent(car.target_soc_pct)} wanted${heard}. The car says: ${plain(car.plug)}, ${plain(car.charge)}${car.power_kw ? `, ${car.power_kw.toFixed(1)} kW` : ""}.`),
    car.page ? h("p", {}, h("a", { href: car.page, target: "driver", rel: "noopener" }, `See it as its driver, ${car.driver}, does`)) : null);
}

function chart({ plan }) {
  const blocks = plan ? plan.blocks.map(([a, b, energy]) => `${hour(a)} to ${hour(b)}, ${kwh(energy)}`).join("; ") : "";
  return card("Plan over price and carbon",
    h("p", { class: "strip-name price" }, "Price", h("span", {}, unit)), h("div", { id: "car-price" }),
    h("p", { class: "strip-name carbon" }, "Carbon", h("span", {}, "g CO₂/kWh")), h("div", { id: "car-carbon" }),
    h("ul", { class: "legend", "aria-hidden": "true" }, h("li", {}, h("i", { class: "key block" }), "planned charging"), h("li", {}, h("i", { class: "key ready" }), "ready by"), h("li", {}, h("i", { class: "key now" }), "now")),
    h("p", {}, blocks ? `Planned: ${blocks}.` : "No plan is in force."));
}

function draw(car) {
  const common = { sync: "car", from: 0 };
  return [
    strip(by("car-price"), { ...common, height: 92, series: [{ stroke: "price" }], label: `Price from ${dayHour(car.shown[0])} to ${dayHour(car.shown[1])}; the plan is told below` }),
    strip(by("car-carbon"), { ...common, height: 92, axis: true, series: [{ stroke: "carbon" }], label: "Carbon intensity over the same hours" }),
  ];
}

function why({ plan, reason }) {
  if (!plan) return card("Why", facts([["Reason", plain(reason)]]));
  const made = [
    ["Why this plan", plain(plan.reason)], ["Why now", plain(reason)], ["Energy", kwh(plan.energy_kwh)], ["Cost", money(plan.cost, plan.currency)], ["CO₂", kg(plan.carbon_g)],
    ["Done", dayHour(plan.ready_at)], ["Ready by", dayHour(plan.ready_by)], ["Expected", percent(plan.expected_soc_pct)],
    ...(plan.reachable ? [] : [["Missing", kwh(plan.shortfall_kwh)]]),
  ];
  const from = [
    ["Planned at", dayHour(plan.inputs.now)], ["Battery", `${percent(plan.inputs.soc_pct)} at ${hour(plan.inputs.soc_time)}`], ["Prices of", dayHour(plan.inputs.price_issued_at)],
    ["Carbon forecast of", dayHour(plan.inputs.carbon_issued_at)], ["Wishes of", dayHour(plan.inputs.preference_updated_at)], ["Prices known until", dayHour(plan.known_until)],
    ["Revision", `${plan.revision}${plan.provisional ? ", provisional" : ""}`],
  ];
  return card("Why", h("p", { class: "lead" }, plan.sentence), h("div", { class: "two" }, h("div", {}, h("h4", {}, "Decided"), facts(made)), h("div", {}, h("h4", {}, "From"), facts(from))));
}

function trail({ commands }) {
  const steps_ = (list) => h("p", { class: "steps" }, list.map(({ phase, at, detail }) => h("span", { class: phase }, `${phase} ${hour(at)}${detail ? ` (${detail})` : ""}`)));
  const items = commands.map((command) => h("li", {}, h("b", {}, plain(command.action)), ` ${dayHour(command.steps[0].at)}, ${plain(command.reason)}`, command.attempt > 1 ? `, attempt ${command.attempt}` : "", steps_(command.steps)));
  return card("Commands", items.length ? h("ol", { class: "trail" }, items) : h("p", { class: "muted" }, "None sent."));
}

function history_({ sessions, plugs }) {
  const table = h("table", { class: "figures compact" });
  fillTable(table, ["Plugged in", "Out", "Battery", "Energy", "Cost", "At once", "CO₂", "Ready by"], sessions.map((one) => [
    dayHour(one.plugged_at), dayHour(one.ended_at), `${percent(one.start_soc_pct)} → ${percent(one.end_soc_pct)}`, kwh(one.energy_kwh), money(one.cost, one.currency),
    money(one.cost_unmanaged, one.currency), kg(one.carbon_g), plain(one.promise)]));
  const edges = plugs.map((edge) => h("li", {}, h("b", {}, plain(edge.kind)), ` ${dayHour(edge.at)}, ${percent(edge.soc_pct)}; evidence: ${plain(edge.evidence)}, confidence ${edge.confidence.toFixed(1)}`));
  return card("Sessions", sessions.length ? h("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Finished sessions" }, table) : h("p", { class: "muted" }, "None finished yet."), edges.length ? h("details", {}, h("summary", {}, "Plug events"), h("ol", { class: "trail" }, edges)) : null);
}

function told({ pushes }) {
  return card("Pushes", pushes.length ? h("ol", { class: "pushes" }, pushes.map(push)) : h("p", { class: "muted" }, NONE));
}
