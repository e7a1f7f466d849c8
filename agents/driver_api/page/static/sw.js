// Keeps the files of the pages, and the pages last seen of the driver who reads them, for when there is no connection.
// VERSION and FILES are put before this by the server.

const SHELL = `shell-${VERSION}`;
const OFFLINE = "/offline";
let signOuts = 0;
const seen = (reader) => `seen-${reader}`;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(SHELL).then((cache) => cache.addAll([...FILES, OFFLINE])).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(drop((name) => name.startsWith("shell-") && name !== SHELL).then(() => self.clients.claim()));
});

async function drop(which) {
  for (const name of await caches.keys()) if (which(name)) await caches.delete(name);
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (origin !== location.origin || pathname.startsWith("/api/")) return;
  if (request.method === "POST" && pathname === "/signout") event.waitUntil(forget());
  if (request.method !== "GET") return;
  if (pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (request.mode === "navigate" || request.headers.has("HX-Request")) event.respondWith(page(request));
});

async function file(request) {
  return (await caches.match(request, { cacheName: SHELL })) ?? fetch(request);
}

// What was asked for before is not kept when it comes after.
function forget() {
  signOuts += 1;
  return inTurn(() => drop((name) => name.startsWith("seen-")));
}

const inTurn = (change) => navigator.locks.request("seen", change);

async function page(request) {
  const asked = signOuts;
  try {
    const answer = await fetch(request);
    await inTurn(() => asked === signOuts && remember(request, answer));
    return answer;
  } catch {
    return (await lastSeen(request)) ?? Response.error();
  }
}

// One driver's pages only: another reader, or nobody signed in, and they are gone.
async function remember(request, answer) {
  const reader = answer.headers.get("D2EV-Reader");
  if (answer.type !== "basic" || !answer.headers.get("Content-Type")?.startsWith("text/html")) return;
  await drop((name) => name.startsWith("seen-") && (reader === null || name !== seen(reader)));
  if (reader === null || !answer.ok) return;
  const kept = new Response(await answer.clone().blob(), { headers: answer.headers });
  await (await caches.open(seen(reader))).put(new URL(answer.url || request.url).pathname, kept);
}

async function lastSeen(request) {
  if (request.headers.has("HX-Request")) return null;
  const { pathname } = new URL(request.url);
  for (const name of await caches.keys()) {
    if (!name.startsWith("seen-")) continue;
    const cache = await caches.open(name);
    const found = (await cache.match(pathname)) ?? (pathname === "/" ? await anyCar(cache) : null);
    if (found) return found;
  }
  return caches.match(OFFLINE, { cacheName: SHELL });
}

async function anyCar(cache) {
  const car = (await cache.keys()).find(({ url }) => /^\/cars\/[^/]+$/.test(new URL(url).pathname));
  return car ? cache.match(car) : null;
}

self.addEventListener("push", (event) => {
  const { title, body, car, tag } = event.data.json();
  event.waitUntil(self.registration.showNotification(title, { body, tag, data: { car }, icon: "/static/icon-192.png", badge: "/static/icon-192.png" }));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const { car } = event.notification.data ?? {};
  event.waitUntil(open(car ? `/cars/${encodeURIComponent(car)}` : "/"));
});

async function open(address) {
  for (const client of await self.clients.matchAll({ type: "window" })) {
    if (new URL(client.url).pathname === address) return client.focus();
  }
  return self.clients.openWindow(address);
}
