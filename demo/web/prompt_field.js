// What stands under the prompt, and what keeps it in step with keys and sliders (see prompt.js): a
// module without imports, so that a page can take it in as a plain script too.

// element: holds the markup of prompt.html. props.value: {vocabulary, labels}, the text of each
// label, last of none. trigger("input"): called when somebody has changed the prompt.
// Returns what the page calls: `start` when all controls are there; `texts` and `isWrong` about what
// stands in the fields; the others with the values of prompt, label and sliders when one of them has
// changed. They return what changes the others.
export function promptField({ element, props, trigger, promptLanguage }) {
  const { vocabulary, labels } = props.value;
  const language = promptLanguage(vocabulary);
  const sliders = Object.keys(vocabulary.styles);
  const fields = [
    { id: "prompt", title: "prompt", state: () => state },
    { id: "negative_prompt", title: "negative prompt", state: (prompt) => ({ prompt }) },
  ];
  let state = {}; // as far as it is known here; the prompt itself is read from its field

  const input = ({ id }) => document.querySelector(`#${id} input`);
  const notes = ({ id }) => document.querySelector(`#${id.replace("_", "-")}-notes`);

  // In step: Gradio gives the values of its controls, and takes those that change. What it takes the
  // prompt to be may be one letter behind the field.

  const order = ["prompt", "label", ...sliders];
  const values = (names) => {
    const given = names.map((name) =>
      name === "label" ? labels[state.label ?? labels.length - 1] : state[name],
    );
    return given.length > 1 ? given : given[0];
  };

  function take(given, change) {
    const last = Object.fromEntries(order.map((name, i) => [name, given[i]]));
    const label = labels.indexOf(last.label);
    last.label = label === labels.length - 1 || label < 0 ? null : label;
    last.prompt ??= "";
    for (const name of sliders) last[name] ??= 0; // a number field may be empty
    state = change(last);
    note(fields[0], state.prompt);
  }

  const calls = {
    start,
    texts: () => Object.fromEntries(fields.map((field) => [field.id, input(field).value])),
    isWrong: () => fields.some((field) => problemsOf(field, input(field).value).length > 0),
    typed(_, ...given) {
      take([input(fields[0]).value, ...given], language.typed);
      return values(order.slice(1));
    },
    pressed(_, ...given) {
      take([input(fields[0]).value, ...given], language.pressed);
      return values(["prompt"]);
    },
    moved(name, _, ...given) {
      take([input(fields[0]).value, ...given], (last) => language.moved(last, name));
      return values(["prompt"]);
    },
    settled(...given) {
      take(given, language.settled);
      return values(order);
    },
  };

  // What is wrong, under the field

  const problemsOf = (field, text) =>
    language.problems({ ...field.state(text), prompt: text });

  // The word in which somebody is still typing is no mistake yet.
  function isUnfinished(field, { kind, word, end }) {
    const at = input(field);
    return (
      kind === "unknown" &&
      document.activeElement === at &&
      at.selectionStart === end &&
      language.isBeginning(word)
    );
  }

  function note(field, text, isAll = false) {
    const all = problemsOf(field, text);
    const said = isAll ? all : all.filter((problem) => !isUnfinished(field, problem));
    const list = notes(field);
    list.replaceChildren(...said.map((problem) => item(field, problem)));
    input(field).setAttribute("aria-invalid", said.length > 0);
    list.parentElement.toggleAttribute("data-wrong", said.length > 0);
    return all.length;
  }

  function item(field, { text, word, nearest, start, end }) {
    const line = document.createElement("li");
    line.append(nearest ? `${text} Nearest:` : text);
    if (!nearest) return line;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = nearest;
    button.setAttribute("aria-label", `Write ${nearest} instead of ${word}`);
    button.addEventListener("click", () => {
      const { value } = input(field);
      write(field, value.slice(0, start) + nearest + value.slice(end));
    });
    line.append(button);
    return line;
  }

  function write(field, text) {
    const at = input(field);
    at.value = text;
    at.focus();
    at.dispatchEvent(new Event("input", { bubbles: true }));
  }

  const examples = language.examples().map((prompt) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = prompt;
    button.addEventListener("click", () => write(fields[0], prompt));
    return button;
  });
  element.querySelector(".examples").replaceChildren(...examples);

  // No run starts from a prompt with a mistake. On the window, to come before the player.
  window.addEventListener(
    "click",
    (event) => {
      if (!event.target.closest?.("#generate") || document.body.hasAttribute("data-busy")) return;
      const wrong = fields.filter((field) => note(field, input(field).value, true));
      if (!wrong.length) return;
      event.stopImmediatePropagation();
      const [{ id, title }] = wrong;
      if (id === "negative_prompt") setFold(true);
      input(wrong[0]).focus();
      const detail = `Nothing was drawn: the ${title} has a mistake. Under it stands which one.`;
      document.dispatchEvent(new CustomEvent("run-refused", { detail }));
    },
    { capture: true },
  );

  // The rest of the page, when it is there

  function start() {
    for (const field of fields) {
      const at = input(field);
      at.setAttribute("aria-describedby", notes(field).id);
      at.addEventListener("input", () => note(field, at.value));
      // A press on a word under the field does not take the focus from the field: the notes stay.
      notes(field).addEventListener("mousedown", (event) => event.preventDefault());
      at.addEventListener("blur", () => note(field, at.value));
      at.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.isComposing) document.querySelector("#generate").click();
      });
    }
    // Gradio's own event of this name knows keys, and no pasting.
    input(fields[0]).addEventListener("input", () => trigger("input"));
    // Gradio's own fold takes what is folded out of the page, and tells nobody whether it is open.
    fold().setAttribute("aria-controls", "more");
    setFold(false);
    fold().addEventListener("click", () => setFold(fold().ariaExpanded !== "true"));
  }

  const fold = () => document.querySelector("#fold");

  function setFold(isOpen) {
    fold().setAttribute("aria-expanded", isOpen);
    document.querySelector("#more").toggleAttribute("data-open", isOpen);
  }

  return calls;
}
