// Strips of one unit each over a shared time axis: steps, areas, a "now" line, shaded blocks. Drawn by uPlot.

import uPlot from "./vendor/uPlot.esm.js";
import { clockChanges, day, hour, localHours } from "./words.js";

const GUTTER = 44, AXIS = 38;
const FONT = "12px Inter, system-ui, sans-serif";
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** [start, end, value] slots as columns for a step line; unknown stretches become gaps. */
export function steps(slots) {
  const xs = [], ys = [];
  slots.forEach(([start, end, value], n) => {
    xs.push(start); ys.push(value);
    if (n + 1 === slots.length || slots[n + 1][0] > end) { xs.push(end); ys.push(null); }
  });
  return holdEnds(xs, ys);
}

// A step line needs its last value repeated at the end of a stretch, just before the gap.
function holdEnds(xs, ys) {
  const outX = [], outY = [];
  xs.forEach((x, n) => {
    if (ys[n] === null && n > 0) { outX.push(x - 1); outY.push(ys[n - 1]); }
    outX.push(x); outY.push(ys[n]);
  });
  return [outX, outY];
}

/**
 * A strip in `host`. `series` are {stroke, fill, dash, width} with names of colours; `view` has start, end, now, blocks, readyBy.
 * Returns {set(columns, view), destroy()}.
 */
export function strip(host, { height, series, sync, axis, from, label, onHover }) {
  let view = null, plot = null;
  const figure = document.createElement("div");
  figure.setAttribute("role", "img");
  figure.setAttribute("aria-label", label);
  host.append(figure);

  const build = (columns) => {
    plot?.destroy();
    plot = new uPlot({
      width: host.clientWidth, height: height + (axis ? AXIS : 0), padding: [6, 20, axis ? 0 : 4, 0],
      legend: { show: false }, select: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 }, sync: { key: sync, scales: ["x", null] } },
      scales: { x: { time: false, range: () => [view.start, view.end] }, y: { range: (_, low, high) => span(low, high, from) } },
      axes: [timeAxis(axis, () => view), valueAxis()],
      series: [{}, ...series.map(look)],
      hooks: { drawClear: [(u) => under(u, view)], draw: [(u) => over(u, view)], setCursor: [(u) => onHover?.(u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : null)] },
    }, columns, figure);
  };

  const resize = new ResizeObserver(() => plot?.setSize({ width: host.clientWidth, height: plot.height }));
  resize.observe(host);
  let columnsNow = null;
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const recolour = () => columnsNow && build(columnsNow);
  scheme.addEventListener("change", recolour);
  return {
    set(columns, newView) {
      view = newView;
      columnsNow = columns;
      if (plot) plot.setData(columns); else build(columns);
    },
    destroy() { resize.disconnect(); scheme.removeEventListener("change", recolour); plot?.destroy(); },
  };
}

function look({ stroke, fill, dash, width = 1.75 }) {
  return {
    stroke: css(stroke), fill: fill ? css(fill) : undefined, dash, width,
    paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, spanGaps: false,
  };
}

// The value axis starts at `from` unless values lie below, and ends a little above the highest.
function span(low, high, from) {
  if (low === null || high === null) return [from ?? 0, (from ?? 0) + 1];
  const bottom = Math.min(from ?? low, low);
  const room = Math.max(high - bottom, 1e-9) * 0.08;
  return [bottom < (from ?? low) ? bottom - room : bottom, high + room];
}

function timeAxis(shown, view) {
  return {
    show: shown, size: AXIS, stroke: css("muted"), font: FONT, grid: { show: false }, ticks: { show: false }, gap: 9,
    splits: (u) => localHours(view().start, view().end, hoursApart(u, view())),
    values: (u, splits) => splits.map((t, n) => (hour(t) === "00:00" || (n === 0 && splits.length > 1 && hour(splits[1]) !== "00:00") ? `${hour(t)}\n${day(t)}` : hour(t))),
  };
}

function hoursApart(u, view) {
  const fits = Math.max(2, u.width / 64);
  const hours = (view.end - view.start) / 3600;
  return [1, 2, 3, 6, 12].find((step) => hours / step <= fits) ?? 24;
}

function valueAxis() {
  return {
    size: GUTTER, gap: 4, stroke: css("muted"), font: FONT, space: 26,
    grid: { stroke: css("grid"), width: 1 }, ticks: { show: false },
  };
}

function under(u, view) {
  const x = (t) => u.valToPos(t, "x", true);
  const { ctx, bbox } = u;
  ctx.save();
  clip(ctx, bbox);
  ctx.fillStyle = css("block-soft");
  for (const [start, end] of view.blocks ?? []) ctx.fillRect(x(start), bbox.top, x(end) - x(start), bbox.height);
  for (const t of localHours(view.start, view.end, 24)) rule(u, x(t), "line");
  for (const { at } of clockChanges(view.start, view.end)) rule(u, x(at), "muted", [2, 3]);
  ctx.restore();
}

function over(u, view) {
  const { ctx, bbox } = u;
  ctx.save();
  clip(ctx, bbox);
  if (view.readyBy) rule(u, u.valToPos(view.readyBy, "x", true), "muted", [5, 4], 1.5);
  rule(u, u.valToPos(view.now, "x", true), "now", [], 1.5);
  ctx.restore();
}

function clip(ctx, { left, top, width, height }) {
  ctx.beginPath();
  ctx.rect(left, top, width, height);
  ctx.clip();
}

function rule(u, x, colour, dash = [], width = 1) {
  const { ctx, bbox } = u;
  const scale = devicePixelRatio;
  ctx.strokeStyle = css(colour);
  ctx.lineWidth = width * scale;
  ctx.setLineDash(dash.map((d) => d * scale));
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
}

/** Value of step columns at an instant, or null. */
export function valueAt([xs, ys], t) {
  let low = 0, high = xs.length;
  while (low < high) { const mid = (low + high) >> 1; if (xs[mid] <= t) low = mid + 1; else high = mid; }
  return low === 0 ? null : ys[low - 1];
}

