// What stands under the prompts: examples to press, and in their place what is wrong.

import { open_fold } from "../layout.js";
import { button, make } from "../make.js";

const FIELDS = { prompt: "prompt", negative_prompt: "negative prompt" };

// element: holds the markup of prompt.html.
export function mount(element, { store, tab, about, language }) {
  const input = (name) => document.querySelector(`#${name} input`);
  const notes = (name) => document.querySelector(`#${name.replace("_", "-")}-notes`);
  const names = Object.keys(FIELDS);

  const problems_of = (name, text) =>
    language.problems({ ...(name === "prompt" ? store.controls : {}), prompt: text });

  // The word in which somebody is still typing is no mistake yet.
  function is_unfinished(field, { kind, word, end }) {
    const is_at = document.activeElement === field && field.selectionStart === end;
    return kind === "unknown" && is_at && language.isBeginning(word);
  }

  // Say what is wrong with a field. Returns how many mistakes it has.
  function note(name, is_all = false) {
    const field = input(name);
    const list = notes(name);
    if (!field || !list) return 0;
    const all = problems_of(name, field.value);
    const said = is_all ? all : all.filter((problem) => !is_unfinished(field, problem));
    list.replaceChildren(...said.map((problem) => item(name, problem)));
    list.parentElement.toggleAttribute("data-wrong", said.length > 0);
    field.setAttribute("aria-invalid", said.length > 0);
    field.setAttribute("aria-describedby", list.id);
    return all.length;
  }

  function item(name, { text, word, nearest, start, end }) {
    if (!nearest) return make("li", {}, text);
    const mend = () => {
      const { value } = input(name);
      write(name, value.slice(0, start) + nearest + value.slice(end));
    };
    const named = { "aria-label": `Write ${nearest} instead of ${word}` };
    return make("li", {}, `${text} Nearest:`, button(nearest, mend, named));
  }

  function write(name, text) {
    const field = input(name);
    field.value = text;
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Prompts to start from; with other classes, other words. Only what the model knows.
  const one = (label) => about.vocabulary.rows[1 + (label % about.class_names.length)][0];
  const examples = [`a bold ${one(7)} leaning left`, `a wide ${one(3)}`, `thin narrow ${one(8)}`]
    .concat("leaning right")
    .filter((prompt) => !language.read(prompt).problems.length);
  element
    .querySelector(".examples")
    .replaceChildren(...examples.map((text) => button(text, () => write("prompt", text))));

  // Gradio may put the fields in later.
  const name_of = ({ target }) => names.find((name) => target === input(name));
  const on_blur = (event) => name_of(event) && note(name_of(event));
  // A press on a word under a field does not take the focus from the field: the notes stay.
  const on_mouse = (event) => event.target.closest(".notes") && event.preventDefault();
  const listeners = { focusout: on_blur, mousedown: on_mouse };
  for (const [event, hear] of Object.entries(listeners)) document.addEventListener(event, hear);

  // No run starts from a prompt with a mistake.
  const check = (is_pressed) => {
    if (!is_pressed) return names.some((name) => problems_of(name, store.controls[name]).length);
    const wrong = names.find((name) => note(name, true));
    if (!wrong) return null;
    if (wrong === "negative_prompt") open_fold(document.querySelector(".fold"), true);
    input(wrong).focus();
    return `Nothing was drawn: the ${FIELDS[wrong]} has a mistake. Under it stands which one.`;
  };
  tab.checks.add(check);
  const end = store.subscribe(["controls"], () => names.forEach((name) => note(name)));
  requestAnimationFrame(function first() {
    if (names.every(input)) names.forEach((name) => note(name));
    else if (element.isConnected) requestAnimationFrame(first);
  });
  return () => {
    end();
    tab.checks.delete(check);
    for (const event in listeners) document.removeEventListener(event, listeners[event]);
  };
}
