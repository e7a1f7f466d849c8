// What is new comes by events; the part that shows it is asked for anew. Without a connection the page says how old it is.

const SHOWN = "#live, #garage, #messages";
const FIRST_MS = 1000, LONGEST_MS = 30000, GRACE_MS = 1500;
const banner = document.getElementById("banner");
let source = null, waits = FIRST_MS, retry = 0, grace = 0, late = false;

const part = () => document.querySelector(SHOWN);
const sheet = () => document.querySelector("[popover]:popover-open");

/** Ask for what is shown anew; not while the driver is choosing. */
function refresh() {
  if (sheet()) { late = true; return; }
  late = false;
  const shown = part();
  if (shown && window.htmx) window.htmx.trigger(shown, "news");
}

function heard(event) {
  const { car, version } = JSON.parse(event.data);
  const shown = part();
  if (shown?.dataset.car && (shown.dataset.car !== car || shown.dataset.version === version)) return;
  refresh();
}

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource("/api/v1/events");
  source.addEventListener("open", () => { waits = FIRST_MS; connected(true); });
  source.addEventListener("car", heard);
  source.addEventListener("gone", ({ data }) => { if (part()?.dataset.car === data) location.assign("/"); else refresh(); });
  source.addEventListener("message", (event) => { if (event.data && part()?.id === "messages") refresh(); });
  source.addEventListener("error", () => {
    grace ||= setTimeout(() => connected(false), GRACE_MS);
    if (source.readyState !== EventSource.CLOSED) return;
    refresh(); // it was refused: if nobody is signed in any more, this leads there
    retry = setTimeout(connect, waits * (0.5 + Math.random()));
    waits = Math.min(2 * waits, LONGEST_MS);
  });
}

function connected(yes) {
  clearTimeout(grace);
  grace = 0;
  const was = banner.hidden;
  banner.hidden = yes;
  if (!yes) {
    const at = part()?.dataset.asOf ?? document.documentElement.dataset.asOf;
    banner.textContent = (navigator.onLine ? banner.dataset.lost : banner.dataset.offline).replace("{at}", at);
  }
  locked(!yes);
  if (yes && !was) refresh();
}

/** Wishes cannot be taken without a connection. */
function locked(yes) {
  for (const one of document.querySelectorAll("form[method=post] :is(button, input, select), #ready")) one.disabled = yes;
}

document.addEventListener("toggle", (event) => { if (event.target.matches?.("[popover]") && event.newState === "closed" && late) refresh(); }, true);

// What was unfolded stays so.
const unfolded = new Set();
document.addEventListener("htmx:beforeSwap", () => { for (const one of document.querySelectorAll("details[id]")) unfolded[one.open ? "add" : "delete"](one.id); });
document.addEventListener("htmx:afterSettle", () => { for (const id of unfolded) document.getElementById(id)?.setAttribute("open", ""); });

// The new plan may have been there before the answer that announced it, or be the old one: then no event tells of it.
document.addEventListener("htmx:afterSettle", () => { if (part()?.querySelector(".pending")) setTimeout(refresh, 3000); });

if (part()) {
  connect();
  addEventListener("online", connect);
  addEventListener("offline", () => connected(false));
  addEventListener("pageshow", (event) => { if (event.persisted) connect(); });
  addEventListener("pagehide", () => source?.close());
}
