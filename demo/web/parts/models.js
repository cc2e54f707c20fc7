// The menu of models. It looks which there are when it is opened.

import { reason } from "../runs.js";

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
      const count = models.length - out;
      said.textContent = `${count} model${count === 1 ? "" : "s"}${out ? `, ${out} left out` : ""}`;
      list.replaceChildren(...models.map(entry));
    } catch (error) {
      said.textContent = reason(error);
    }
  }

  function entry({ name, problem }) {
    const item = document.createElement("li");
    const title = document.createElement(problem ? "span" : "a");
    title.textContent = name;
    if (!problem) title.href = `?${new URLSearchParams({ model: name })}`;
    if (name === about.model) title.setAttribute("aria-current", "page");
    item.append(title);
    if (problem) {
      const why = document.createElement("small");
      why.textContent = `Left out. ${problem}`;
      item.append(why);
    }
    return item;
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
