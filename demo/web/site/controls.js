// The controls of the page, which demo/markup.py writes, by the names of their values.

export class Controls {
  #root;
  #values; // by name

  // values: as `what_the_page_knows` in demo/static_page.py describes them. on_input: called with the name
  // of a control that somebody has changed.
  constructor(root, values, on_input) {
    this.#root = root;
    this.#values = Object.fromEntries(values.map((value) => [value.name, value]));
    for (const { name } of values)
      for (const field of this.#fields(name)) {
        field.addEventListener("input", () => {
          this.#shows(name, field);
          on_input(name);
        });
        // What is out of bounds is brought into them when the field is left.
        if (field.type === "number") field.addEventListener("change", () => this.#bring_in(name));
      }
  }

  // Each value: a text, or a number; null where a field for numbers is empty.
  get() {
    return Object.fromEntries(Object.keys(this.#values).map((name) => [name, this.#get(name)]));
  }

  // Set those of the values that are given.
  set(values) {
    for (const name in values) {
      const fields = this.#fields(name);
      for (const field of fields) {
        const text = String(values[name]);
        if (field.type === "radio") field.checked = field.value === text;
        else if (field.value !== text) field.value = text;
      }
      if (fields.length) this.#shows(name, fields[0]);
    }
  }

  #fields(name) {
    return [...this.#root.querySelectorAll(`#${name} :is(input, select)`)];
  }

  #get(name) {
    const { kind, start } = this.#values[name];
    const fields = this.#fields(name);
    if (!fields.length) return start; // the model has no words for it
    if (fields[0].type === "radio") return fields.find(({ checked }) => checked)?.value ?? null;
    if (kind !== "number" && kind !== "whole") return fields[0].value;
    return Number.isNaN(fields[0].valueAsNumber) ? null : fields[0].valueAsNumber;
  }

  // A slider and its number show the same, and a key that it is pressed.
  #shows(name, changed) {
    const fields = this.#fields(name);
    for (const field of fields) {
      if (field.type === "radio") field.parentElement.classList.toggle("selected", field.checked);
      if (field !== changed && changed.type !== "radio" && changed.value !== "")
        field.value = changed.value;
      if (field.type !== "range") continue;
      const { low, high } = this.#values[name];
      const share = (field.valueAsNumber - low) / (high - low);
      field.style.setProperty("--range_progress", `${100 * share}%`);
    }
  }

  #bring_in(name) {
    const { kind, low, high, start } = this.#values[name];
    const value = this.#get(name);
    if (value === null) return this.set({ [name]: start });
    const inside = Math.min(Math.max(value, low), high);
    this.set({ [name]: kind === "whole" ? Math.round(inside) : inside });
  }
}
