// What the grid would cost, or what is wrong with it, while its controls are used.

import { reason } from "../runs.js";

const REST_MS = 150;

// element: holds the markup of cost.html.
export function mount(element, { store, tab, engine }) {
  const line = element.querySelector(".cost");
  let asked = 0; // only the answer to the newest question counts
  let rest = 0;

  async function ask() {
    const mine = ++asked;
    const said = await engine.check("grid", tab.request).catch((error) => error);
    if (mine !== asked) return;
    line.textContent = said instanceof Error ? reason(said) : said.cost;
    line.toggleAttribute("data-wrong", said instanceof Error);
  }

  ask();
  const end = store.subscribe(["controls"], () => {
    clearTimeout(rest);
    rest = setTimeout(ask, REST_MS);
  });
  return () => {
    clearTimeout(rest);
    end();
  };
}
