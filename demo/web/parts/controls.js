// The controls of a page without Gradio, in the markup of Gradio's own, so that one style fits
// both.

const MAX_SLIDER = 1000; // with more values than this, a slider cannot be set to each of them
const LEFT_OUT = { placeholder: "left out" }; // of a point of a morph where nothing is drawn
const PLAIN = 'autocapitalize="off" autocomplete="off" autocorrect="off" spellcheck="false"';

// Puts a control into each element [data-control=NAME] of `root`. data-small: most people leave it
// as it is. changed: called with the name of one that somebody has changed, and the values of all.
// Returns a function that sets some of them.
export function controls(root, { about, tab, changed }) {
  const prefix = tab === "watch" ? "" : `${tab}-`;
  const { starts } = about;
  const fields = {}; // by name: the inputs of a control
  const known = {}; // by name: what `about.values` says of it

  for (const place of root.querySelectorAll("[data-control]")) {
    const name = place.dataset.control;
    const value = described(name, about);
    if (!value) {
      place.remove(); // the model has no words for it
      continue;
    }
    known[name] = value;
    place.outerHTML = markup(prefix + name, value, starts[tab][name], "small" in place.dataset);
    fields[name] = [...root.querySelectorAll(`#${prefix}${name} :is(input, select)`)];
    for (const field of fields[name]) {
      field.addEventListener("input", () => {
        show(name, field);
        changed(name, get());
      });
      // What is out of bounds is brought into them when the field is left.
      if (field.type === "number") field.addEventListener("change", () => bring_in(name));
    }
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
      const { low, high } = known[name];
      const share = (field.valueAsNumber - low) / (high - low);
      field.style.setProperty("--range_progress", `${100 * share}%`);
    }
  }

  function bring_in(name) {
    const { kind, low, high } = known[name];
    const value = value_of(name) ?? starts[tab][name];
    const inside = Math.min(Math.max(value, low), high);
    set({ [name]: kind === "whole" ? Math.round(inside) : inside });
    changed(name, get());
  }

  return set;
}

// A control that is no value of a request: a point of a morph, an axis of a grid.
function described(name, { values, requests, labels, vocabulary }) {
  const value_of = (name) => values.find((value) => value.name === name);
  const [, part, number] = /^(what|seed)_(\d)$/.exec(name) ?? [];
  if (part === "seed") return { ...value_of("seed"), title: `Seed ${number}`, info: "" };
  if (part === "what") {
    const choices = [...labels.map((text) => [text, text]), ["", "left out"]];
    return { title: `Point ${number}`, kind: "words", ...(vocabulary ? LEFT_OUT : { choices }) };
  }
  if (name === "across" || name === "down") {
    const choices = requests.grid.map((name) => [name, value_of(name).title]);
    if (name === "down") choices.push(["nothing", "nothing"]);
    return { title: name === "across" ? "Across" : "Down", kind: "choice", choices };
  }
  if (/_values$/.test(name)) {
    const title = name === "across_values" ? "Values across" : "Values down";
    return { title, info: 'With commas between; "quotes" hold a comma.', kind: "words", length: 5000 };
  }
  return value_of(name);
}

function markup(id, value, start, is_small) {
  const { kind, title, info, low, high, step } = value;
  const said = info && !is_small ? `<div class="info-text">${escaped(info)}</div>` : "";
  const head = `<span data-testid="block-info">${escaped(title)}</span>${said}`;
  const named = `aria-label="${escaped(title)}"`;
  const field = (inside, classes = "") =>
    `<div id="${id}" class="block ${classes}">` +
    `<label class="container">${head}${inside}</label></div>`;
  if (kind === "label" && !is_small) {
    const keys = value.choices.map(([text, title]) => {
      const [checked, mark] = text === start ? ["checked", 'class="selected"'] : ["", ""];
      const input = `<input type="radio" name="${id}" value="${escaped(text)}" ${checked}>`;
      return `<label ${mark}>${input}<span>${escaped(title)}</span></label>`;
    });
    const group = `id="${id}" class="block keys" role="radiogroup" ${named}`;
    return `<fieldset ${group}>${head}<div class="wrap">${keys.join("")}</div></fieldset>`;
  }
  if (value.choices) {
    const options = value.choices.map(([text, title]) => {
      const selected = text === start ? "selected" : "";
      return `<option value="${escaped(text)}" ${selected}>${escaped(title)}</option>`;
    });
    return field(`<select ${named}>${options.join("")}</select>`);
  }
  if (kind === "boolean")
    return field(`<input type="checkbox" ${named} ${start ? "checked" : ""}>`, "check");
  if (kind !== "number" && kind !== "whole") {
    const length = value.length ?? 500;
    const hint = `placeholder="${value.placeholder ?? ""}"`;
    const text = `value="${escaped(start ?? "")}" maxlength="${length}" ${hint}`;
    return field(`<input type="text" ${text} ${PLAIN} ${named}>`);
  }
  const limits = `min="${low}" max="${high}" step="${step}" value="${start}"`;
  if (is_small || (kind === "whole" && high - low > MAX_SLIDER))
    return field(`<input type="number" ${limits} inputmode="decimal" ${named}>`);
  const share = `style="--range_progress: ${(100 * (start - low)) / (high - low)}%"`;
  const number = `<input type="number" ${limits} aria-label="number input for ${escaped(title)}">`;
  const slider = `<input type="range" ${limits} ${share} id="${id}-slider"`;
  return (
    `<div id="${id}" class="block ${low < 0 ? "style" : ""}"><div class="wrap"><div class="head">` +
    `<label for="${id}-slider">${head}</label>` +
    `<div class="tab-like-container">${number}</div></div><div class="slider_input_container">` +
    `${slider} aria-label="range slider for ${escaped(title)}"></div></div></div>`
  );
}

const escaped = (text) =>
  String(text).replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
