// Times and amounts for people: wall time of the home, everyday units, a dash for what is not known.

const { zone, currency, priceUnit, priceFactor } = document.documentElement.dataset;

export const NONE = "–";
export const unit = priceUnit;
export const price = (perKwh) => (perKwh === null || perKwh === undefined ? NONE : (perKwh * priceFactor).toFixed(1));

/** Step columns of prices per kWh in the unit shown. */
export const inSmallCoin = ([xs, ys]) => [xs, ys.map((value) => (value === null ? null : value * priceFactor))];

const formats = new Map();

function format(seconds, options) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key).format(seconds * 1000);
}

/** 02:05 */
export const hour = (t) => (t === null ? NONE : format(t, { hour: "2-digit", minute: "2-digit" }));
/** Sun 26 Mar */
export const day = (t) => format(t, { weekday: "short", day: "numeric", month: "short" }).replace(",", "");
/** Sun 02:05 */
export const dayHour = (t) => (t === null ? NONE : `${format(t, { weekday: "short" })} ${hour(t)}`);
/** Sun 26 Mar, 02:05 BST: the zone's short name tells apart what the clock change makes alike */
export const full = (t) => `${day(t)}, ${format(t, { hour: "2-digit", minute: "2-digit", timeZoneName: "short" })}`;

/** Today only the time, otherwise with the weekday. */
export const near = (t, now) => (t === null ? NONE : Math.abs(t - now) < 86400 ? hour(t) : dayHour(t));

export const percent = (value) => (value === null ? NONE : `${Math.round(value)} %`);
export const kwh = (value) => (value === null ? NONE : `${value.toFixed(1)} kWh`);
export const money = (value, inCurrency = currency) => (value === null ? NONE : `${value.toFixed(2)} ${inCurrency}`);
export const kg = (grams) => (grams === null ? NONE : `${(grams / 1000).toFixed(1)} kg`);
export const plain = (word) => (word === null ? NONE : word.replaceAll("_", " "));

/** Every `step` whole local hours between two instants, right across clock changes. */
export function localHours(start, end, step) {
  const found = [];
  for (let t = Math.ceil(start / 900) * 900; t <= end; t += 900) {
    const [hours, minutes] = hour(t).split(":").map(Number);
    if (minutes === 0 && hours % step === 0) found.push(t);
  }
  return found;
}

/** Instants at which the wall clock jumps, with the hours it jumps by. */
export function clockChanges(start, end) {
  const offset = (t) => Date.parse(`${format(t, { dateStyle: "short", timeStyle: "medium" }).replace(/(\d+)\/(\d+)\/(\d+), /, "$3-$2-$1T")}Z`) / 1000 - t;
  const found = [];
  for (let t = Math.ceil(start / 900) * 900; t < end; t += 900) {
    const hours = (offset(t) - offset(t - 900)) / 3600;
    if (hours !== 0) found.push({ at: t, hours });
  }
  return found;
}
