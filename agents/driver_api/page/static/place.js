// Linking: the browser knows its time zone, and where it is if the driver says so. The place goes into the form, nowhere else.

const zone = document.querySelector("input[name=home_zone]");
if (zone && !zone.value) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;

// The maker's page, without another tap.
const onward = document.getElementById("onward");
if (onward) location.assign(onward.href);

const here = document.getElementById("here");
if (here && "geolocation" in navigator) {
  const [field, says] = [document.getElementById("home"), document.getElementById("here-says")];
  here.hidden = false;
  here.addEventListener("click", () => navigator.geolocation.getCurrentPosition(
    ({ coords }) => { field.value = `${coords.latitude.toFixed(4)},${coords.longitude.toFixed(4)}`; says.textContent = here.dataset.taken; },
    () => { says.textContent = here.dataset.none; },
  ));
}
