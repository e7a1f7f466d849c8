// Messages on this device, where the browser can show them and the driver wants them.

const box = document.getElementById("push");
const can = "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
const KEPT = "d2ev-device";

async function call(path, options) {
  const answer = await fetch(`/api/v1/${path}`, options);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
}

const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));

async function subscribe() {
  if ((await Notification.requestPermission()) !== "granted") { says("refused"); return; }
  const { key } = await call("push-key");
  const worker = await navigator.serviceWorker.ready;
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  const { endpoint, keys } = subscription.toJSON();
  const body = JSON.stringify({ kind: "webpush", subscription: { endpoint, keys } });
  const { id } = await call("devices", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  localStorage.setItem(KEPT, id);
  await show();
}

/** End it on this device: here, and where it is registered. */
export async function stopTelling() {
  if (!can) return;
  const worker = await navigator.serviceWorker.getRegistration();
  const subscription = await worker?.pushManager.getSubscription();
  const id = localStorage.getItem(KEPT);
  localStorage.removeItem(KEPT);
  await subscription?.unsubscribe();
  if (id) await call(`devices/${encodeURIComponent(id)}`, { method: "DELETE" });
}

function says(name) {
  document.getElementById("push-says").textContent = name ? box.dataset[name] : "";
}

async function show() {
  const worker = await navigator.serviceWorker.getRegistration();
  const is = Boolean(await worker?.pushManager.getSubscription()) && localStorage.getItem(KEPT) !== null;
  document.getElementById("push-on").hidden = is;
  document.getElementById("push-off").hidden = !is;
  says(is ? "is" : Notification.permission === "denied" ? "refused" : "");
}

if (box && can) {
  const failed = () => says("refused");
  document.getElementById("push-on").addEventListener("click", () => subscribe().catch(failed));
  document.getElementById("push-off").addEventListener("click", () => stopTelling().then(show).catch(failed));
  show();
}
