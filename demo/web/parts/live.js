// Live: the picture follows the controls. When a picture is there, the next is asked for, of the
// newest values; what came between is dropped. Two may be under way, where the engine draws two at
// once. When the controls rest, the whole run is drawn. Where there is a student, it draws meanwhile what
// it can, in two steps.

import { STUDENT, STUDENT_SCALES, STUDENT_USUAL } from "../engine/samplers.js";

const REST_MS = 250; // the controls are at rest when nothing has changed for so long

// element: holds the switch.
export function mount(element, { store, tab, engine, about }) {
  const input = element.querySelector("input");
  let newest = null; // the request that has not been asked for
  let last = null; // the request that was asked for last
  let asking = 0;
  let rest = 0;

  function follow() {
    forget();
    tab.runs.drop();
    if (!input.checked || !tab.is_ready() || tab.wrong()) return;
    newest = tab.request;
    ask();
  }

  // The picture of the last step alone is the student's, too.
  const { choices } = about.values.find(({ name }) => name === "sampler");
  const has_student = choices.some(([name]) => name === STUDENT);
  function quick(request) {
    const { steps, guidance_scale: w, negative_prompt: away, off = [] } = request;
    const [low, high] = STUDENT_SCALES, is_learned = w >= low && w <= high && !away && !off.length;
    const can = is_learned && steps > STUDENT_USUAL && store.at === null;
    if (!has_student || !can || !engine.has_student_ready()) return request;
    return { ...request, sampler: STUDENT, steps: STUDENT_USUAL };
  }

  function forget() {
    newest = null;
    clearTimeout(rest);
  }

  function ask() {
    while (newest && !tab.runs.is_busy && asking < (engine.glances_at_once ?? 1)) draw(newest);
  }

  async function draw(request) {
    [last, newest] = [request, null];
    asking++;
    const is_drawn = await tab.runs.glance(quick(request));
    asking--;
    ask();
    if (!is_drawn || request !== last || tab.runs.is_busy || !input.checked) return;
    rest = setTimeout(() => tab.runs.start(request, true), REST_MS);
  }

  input.checked = store.is_live ?? true;
  input.addEventListener("change", () => {
    store.set({ is_live: input.checked });
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
