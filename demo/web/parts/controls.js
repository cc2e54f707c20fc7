// The controls of a page without Gradio: those of control.html.

// changed: called with the name of one that somebody has changed, and the values of all. Returns a
// function that sets some of them.
export function controls(root, { tab, changed }) {
  const prefix = tab === "watch" ? "" : `${tab}-`;
  const fields = {}; // by name: the inputs of a control

  for (const block of root.querySelectorAll(".controls .block")) {
    const name = block.id.slice(prefix.length);
    fields[name] = [...block.querySelectorAll("input, select")];
    show(name, fields[name][0]);
    block.addEventListener("input", ({ target }) => {
      show(name, target);
      changed(name, get());
    });
    block.addEventListener("change", ({ target }) => {
      if (target.type === "number") bring_in(name, target);
    });
  }

  // Each value: a text, a number or true; null where a field for numbers is empty.
  const get = () => Object.fromEntries(Object.keys(fields).map((name) => [name, value_of(name)]));

  function value_of(name) {
    const [first] = fields[name];
    if (first.type === "radio") return fields[name].find(({ checked }) => checked)?.value ?? null;
    if (first.type === "checkbox") return first.checked;
    if (first.type !== "number" && first.type !== "range") return first.value;
    return Number.isNaN(first.valueAsNumber) ? null : first.valueAsNumber;
  }

  function set(values) {
    for (const name of Object.keys(values).filter((name) => fields[name])) {
      const text = String(values[name] ?? "");
      for (const field of fields[name]) {
        if (field.type === "radio") field.checked = field.value === text;
        else if (field.type === "checkbox") field.checked = values[name];
        else if (field.value !== text) field.value = text;
      }
      show(name, fields[name][0]);
    }
  }

  // A slider and its number show the same, and a key that it is pressed.
  function show(name, changed) {
    for (const field of fields[name]) {
      if (field.type === "radio") field.parentElement.classList.toggle("selected", field.checked);
      else if (field !== changed && changed.value !== "") field.value = changed.value;
      if (field.type !== "range") continue;
      const share = (field.valueAsNumber - field.min) / (field.max - field.min);
      field.style.setProperty("--range_progress", `${100 * share}%`);
    }
  }

  // What is out of bounds is brought into them when the field is left.
  function bring_in(name, { value, defaultValue, min, max, step }) {
    const inside = Math.min(Math.max(value || defaultValue, min), max);
    set({ [name]: step === "1" ? Math.round(inside) : inside });
    changed(name, get());
  }

  return set;
}
