// Sliders say their number, a saved sheet closes, a failure is told, and who leaves takes what was kept with him.

import { stopTelling } from "./push.js";

document.addEventListener("input", ({ target }) => {
  const says = target.type === "range" && document.querySelector(`output[for="${target.id}"]`);
  if (says) says.textContent = `${target.value} %`;
});

// A minimum above the target makes no sense: the other slider gives way.
document.addEventListener("input", ({ target }) => {
  const [most, least] = [document.getElementById("target"), document.getElementById("least")];
  const other = target === most ? least : target === least ? most : null;
  if (!other || Number(least.value) <= Number(most.value)) return;
  other.value = target.value;
  other.dispatchEvent(new Event("input", { bubbles: true }));
});

function tell(text) {
  const toast = document.getElementById("toast");
  toast.textContent = "";
  requestAnimationFrame(() => { toast.textContent = text; });
}

document.addEventListener("htmx:beforeRequest", ({ target }) => { target.closest?.("[popover]")?.hidePopover(); });
for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(name, ({ detail }) => {
    if (detail.requestConfig.verb === "post") tell((detail.xhr.status && detail.xhr.responseText) || document.getElementById("toast").dataset.failed);
  });
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("leaves" in form.dataset)) return;
  event.preventDefault();
  await Promise.allSettled([stopTelling(), forget()]);
  form.submit();
});

async function forget() {
  for (const name of await caches.keys()) if (name.startsWith("seen-")) await caches.delete(name);
}
