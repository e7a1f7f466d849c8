// Asks the demo what is so, again and again, and hands it to those who draw. Never faster than the answers come.

import * as car from "./car.js";
import * as curves from "./curves.js";
import { by } from "./dom.js";
import * as fleet from "./fleet.js";

const PAUSE_MS = 1000;
const REST_SHARE = 5; // rest this many times longer than asking took, so that watching never slows the demo
let lastCurves = null, timer = null;

class Unreachable extends Error {}

async function ask(path) {
  const answer = await fetch(path).catch((error) => { throw new Unreachable(`${path}: ${error.message}`); });
  if (!answer.ok) throw new Unreachable(`${path}: ${answer.status}`);
  return answer.json();
}

async function refresh() {
  const began = performance.now();
  if (!document.hidden) {
    try {
      const [all, lines] = await Promise.all([ask("api/fleet"), ask("api/curves")]);
      lastCurves = lines;
      fleet.show(all);
      curves.show(lines);
      await showCar();
      by("offline").hidden = true;
      document.documentElement.dataset.ready = "yes";
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      by("offline").hidden = false;
    }
  }
  clearTimeout(timer); // several may have asked at the same time; one goes on
  timer = setTimeout(refresh, Math.max(PAUSE_MS, REST_SHARE * (performance.now() - began)));
}

async function showCar() {
  const key = car.current();
  if (key === null) return;
  const told = await ask(`api/cars/${encodeURIComponent(key)}`);
  if (car.current() === key) car.show(told, lastCurves);
}

function open(key) {
  car.open(key);
  if (lastCurves) refresh();
}

car.start();
fleet.start(open);
if (location.hash.length > 1) car.open(decodeURIComponent(location.hash.slice(1)));
document.addEventListener("visibilitychange", refresh);
refresh();
