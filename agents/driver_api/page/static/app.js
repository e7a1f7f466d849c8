// Puts the page together: what is new, forms, the chart's readout, this device. Works without, only less conveniently.

import "./live.js";
import "./forms.js";
import "./chart.js";
import "./push.js";
import "./place.js";

document.documentElement.classList.add("js");
// Only for who is signed in: others have nothing to keep.
if ("serviceWorker" in navigator && document.querySelector(".tabs")) navigator.serviceWorker.register("/sw.js").catch(() => { /* the page does without */ });
document.documentElement.dataset.ready = "yes";
