// Questions that a grid answers: each sets the axes and draws it.

import { button, make } from "../make.js";

const WHAT = "A grid of pictures that differ in two values, all else the same.";
const AXES = ["across", "across_values", "down", "down_values"];

// element: holds the markup of questions.html.
export function mount(element, { store, tab, about }) {
  const lesson = element.querySelector(".lesson");
  let told = ""; // the axes of the question that is told

  const axes = () => JSON.stringify(AXES.map((name) => store.controls[name]));

  function tell(title, text) {
    lesson.replaceChildren(...(title ? [make("b", {}, title), " "] : []), text);
    told = axes();
  }

  const buttons = about.lessons.map(([title, text, ...values]) =>
    button(title, () => {
      tab.set(Object.fromEntries(AXES.map((name, i) => [name, values[i]])));
      tell(title, text);
      tab.runs.start(tab.request);
    }),
  );
  element.querySelector(".questions").replaceChildren(...buttons);
  const [first] = about.lessons;
  tell(...(store.moved ? ["", WHAT] : first));
  // What a question says is not true of other axes.
  return store.subscribe(["controls"], () => told !== axes() && tell("", WHAT));
}
