// The menu of models. While it is open it looks every few seconds which there are.

const LOOK_MS = 3000;

export function modelMenu({ element, props }) {
  const menu = element.querySelector(".models");
  const said = menu.querySelector("p");
  const list = menu.querySelector("ul");
  // The first page of all may be at an address without a slash at its end.
  const here = new URL(location.pathname.replace(/\/?$/, "/"), location.origin);
  const first = new URL(props.up, here);
  let shown = "";
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    if (!menu.open) return;
    try {
      const answer = await fetch(new URL("models/", first), { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.text());
    } catch {
      said.textContent = "The models cannot be listed now.";
    }
    clearTimeout(timer);
    timer = setTimeout(look, LOOK_MS);
  }

  function show(text) {
    const models = JSON.parse(text);
    const out = models.filter(({ path }) => path === null).length;
    const count = models.length - out;
    say(`${count} ${count === 1 ? "model" : "models"}${out ? `, ${out} left out` : ""}`);
    if (text === shown) return; // or whoever is on a link would lose it
    shown = text;
    list.replaceChildren(...models.map(entry));
  }

  function say(text) {
    if (said.textContent !== text) said.textContent = text;
  }

  function entry({ name, path, problem }) {
    const item = document.createElement("li");
    const title = document.createElement(path === null ? "span" : "a");
    title.textContent = name;
    if (path !== null) title.href = new URL(path, first);
    if (name === props.model) title.setAttribute("aria-current", "page");
    item.append(title);
    if (problem) {
      const why = document.createElement("small");
      why.textContent = path === null ? `Left out. ${problem}` : `As it was before: ${problem}`;
      item.append(why);
    }
    return item;
  }

  menu.addEventListener("toggle", look);
  window.addEventListener("focus", look);
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}
