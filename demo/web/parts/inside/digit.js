// The digit that a panel looks at: that of the run, the one on the tab Draw, or a real one.

import { SIDE } from "../../pictures.js";
import { at } from "./answers.js";
import { paint } from "./heat.js";

// element: gets the buttons. Returns a function that marks the chosen one, and returns its greys.
export function mount_digits(element, { store, inside, about, facts, tabs, update }) {
  const drawn = () => tabs.draw?.store.seen?.digit;
  const choices = {
    run: ["The run’s digit", () => store.run.pictures.at(-1).greys],
    drawn: ["The one on the tab Draw", drawn],
  };
  if (facts.digits)
    about.class_names.forEach((name, i) => {
      choices[`real ${i}`] = [`A real ${name}`, () => at(facts.digits, i)];
    });
  const buttons = Object.entries(choices).map(([name, [title, greys]]) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.dataset.digit = name;
    if (name.startsWith("real")) {
      const canvas = document.createElement("canvas");
      paint(canvas, greys(), { side: SIDE });
      button.append(canvas);
      button.setAttribute("aria-label", title);
    } else button.textContent = title;
    button.addEventListener("click", () => {
      inside.set({ digit: name });
      update();
    });
    return button;
  });
  element.replaceChildren(...buttons);

  return function chosen() {
    const [, greys] = choices[inside.digit] ?? [], found = greys?.();
    const name = found ? inside.digit : "run";
    for (const button of buttons)
      button.setAttribute("aria-pressed", button.dataset.digit === name);
    element.querySelector("[data-digit=drawn]").disabled = !drawn();
    return found ?? choices.run[1]();
  };
}
