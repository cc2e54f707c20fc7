// Live: the picture follows the controls. One picture is asked for at a time, and when it is there,
// the next, of the newest values; what came between is dropped. When the controls rest, the whole run
// is drawn.

const REST_MS = 250; // the controls are at rest when nothing has changed for so long

// element: holds the switch; what it was set to holds for the visit.
export function mount(element, { store, tab }) {
  const input = element.querySelector("input");
  let newest = null; // the request that has not been asked for
  let asking = false;
  let rest = 0;

  function follow() {
    forget();
    tab.runs.drop();
    if (!input.checked || !tab.is_ready() || tab.wrong()) return;
    newest = tab.request;
    ask();
  }

  function forget() {
    newest = null;
    clearTimeout(rest);
  }

  async function ask() {
    if (asking) return;
    asking = true;
    let drawn = null;
    while (newest && !tab.runs.is_busy) {
      const request = newest;
      newest = null;
      drawn = (await tab.runs.glance(request)) && request;
    }
    asking = false;
    if (!drawn || newest || tab.runs.is_busy || !input.checked) return;
    rest = setTimeout(() => tab.runs.start(drawn, true), REST_MS);
  }

  try {
    input.checked = sessionStorage.getItem("live") !== "off";
  } catch {} // a frame may be refused what it would remember
  input.addEventListener("change", () => {
    try {
      sessionStorage.setItem("live", input.checked ? "on" : "off");
    } catch {}
    if (!input.checked) forget();
  });
  const ends = [
    store.subscribe(["moved"], follow),
    store.subscribe(["state"], () => {
      if (store.state === "waiting" || store.state === "stopped") forget();
      else if (newest) ask(); // the controls have moved during a run
    }),
  ];
  return () => ends.forEach((end) => end());
}
