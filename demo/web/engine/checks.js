// Errors that a person can act on, and the checks of values that raise them: the same messages as
// in ldm_core/checks.py.

// An error that its message explains; every other error is a fault of the program.
export class UserError extends Error {
  name = "UserError";
}

// What was given cannot be used; the message says what was wrong and what is allowed.
export class InputError extends UserError {
  name = "InputError";
}

export function check_number(name, value, low, high) {
  if (typeof value !== "number" || !(low <= value && value <= high)) // true for NaN too
    throw new InputError(`${name} must be a number from ${low} to ${high}, not ${brief(value)}.`);
  return value;
}

// Unlike in Python, 12.0 is whole: here it is the same value as 12.
export function check_whole(name, value, low, high) {
  if (!Number.isInteger(value) || value < low || value > high) {
    const allowed = `a whole number from ${low} to ${high}`;
    throw new InputError(`${name} must be ${allowed}, not ${brief(value)}.`);
  }
  return value;
}

const FLOAT = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// The number that a text is; what is none is left to the checks, which refuse it by name.
export const number_in = (text) => (FLOAT.test(text.trim()) ? Number(text) : text);

export function check_choice(name, value, choices) {
  if (!choices.includes(value))
    throw new InputError(`${name} must be one of ${choices.join(", ")}, not ${brief(value)}.`);
  return value;
}

// A value as an error message shows it: short, whatever it is, and written as in Python.
export function brief(value) {
  if (value === null || value === undefined) return "empty";
  if (typeof value === "string") return shortened(value);
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) {
    const more = value.length > 6 ? ["..."] : [];
    return `[${[...value.slice(0, 6).map(brief), ...more].join(", ")}]`;
  }
  if (typeof value === "object") return JSON.stringify(value);
  return { NaN: "nan", Infinity: "inf", "-Infinity": "-inf" }[value] ?? String(value);
}

// 30 characters at most, without the middle of the text if need be (reprlib.Repr.repr_str).
function shortened(text) {
  const letters = [...text];
  const whole = quoted(letters.slice(0, 30).join(""));
  if ([...whole].length <= 30) return whole;
  const ends = [...quoted([...letters.slice(0, 13), ...letters.slice(-14)].join(""))];
  return [...ends.slice(0, 13), "...", ...ends.slice(-14)].join("");
}

// A text as Python's repr writes it.
export function quoted(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const written = (letter) => {
    if (letter === quote || letter === "\\") return `\\${letter}`;
    if (letter === " " || !/[\p{C}\p{Z}]/u.test(letter)) return letter;
    const short = { "\t": "\\t", "\n": "\\n", "\r": "\\r" }[letter];
    const hex = letter.codePointAt(0).toString(16);
    const [kind, width] = hex.length <= 2 ? ["x", 2] : hex.length <= 4 ? ["u", 4] : ["U", 8];
    return short ?? `\\${kind}${hex.padStart(width, "0")}`;
  };
  return quote + [...text].map(written).join("") + quote;
}
