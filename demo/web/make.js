// An element with properties, attributes where it has no such property, and what is inside it.
export function make(tag, properties = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

export const button = (text, press, properties = {}) =>
  make("button", { type: "button", textContent: text, onclick: press, ...properties });
