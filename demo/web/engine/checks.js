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

// A value as an error message quotes it, shortened.
export function brief(value) {
  if (value === null || value === undefined) return "empty";
  const text = { string: () => `'${value}'`, object: () => JSON.stringify(value) }[typeof value];
  const letters = [...(text?.() ?? String(value))];
  return letters.length > 30 ? `${letters.slice(0, 29).join("")}…` : letters.join("");
}
