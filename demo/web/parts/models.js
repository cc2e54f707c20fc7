// The menu of models. It looks which there are when it is opened.

import { make } from "../make.js";
import { count, reason } from "../runs.js";

// element: holds the markup of models.html.
export function mount(element, { engine, about }) {
  const menu = element.querySelector(".models");
  const said = menu.querySelector("p");
  const list = menu.querySelector("ul");
  menu.querySelector("b").textContent = about.model;

  async function look() {
    if (!menu.open) return;
    try {
      const models = await engine.models();
      const out = models.filter(({ problem }) => problem).length;
      const left_out = out ? `, ${out} left out` : "";
      said.textContent = `${count(models.length - out, "model")}${left_out}`;
      list.replaceChildren(...models.map(entry));
    } catch (error) {
      said.textContent = reason(error);
    }
  }

  function entry({ name, problem }) {
    const title = make(problem ? "span" : "a", { textContent: name });
    if (!problem) title.href = `?${new URLSearchParams({ model: name })}`;
    if (name === about.model) title.setAttribute("aria-current", "page");
    return make("li", {}, title, problem ? make("small", {}, `Left out. ${problem}`) : "");
  }

  const close = ({ target }) => menu.contains(target) || (menu.open = false);
  menu.addEventListener("toggle", look);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("pointerdown", close);
  return () => document.removeEventListener("pointerdown", close);
}
