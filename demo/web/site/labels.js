// From what people write to a class, as in ldm_core/model/class_names.py.

import { folded } from "../engine/vocabulary.js";

const NO_LABEL = "*";
const ANY = "any";
const NUMBER = /^[0-9]{1,9}$/;

// The index of the one class that a text asks for, null for no label; undefined for what is refused:
// what is unknown, what may be two classes, and a range.
export function find_label(text, class_names) {
  if (text === NO_LABEL) return null;
  if (class_names.includes(text)) return class_names.indexOf(text);
  const alike = like(text, class_names);
  const is_any = text.toLowerCase() === ANY;
  if (alike.length) return alike.length > 1 || is_any ? undefined : alike[0];
  if (is_any) return null;
  return numbered(text, class_names);
}

// The classes whose names differ in Unicode form only, else in case too.
function like(text, class_names) {
  for (const form of [(name) => name.normalize("NFC"), folded]) {
    const found = class_names.flatMap((name, i) => (form(name) === form(text) ? [i] : []));
    if (found.length) return found;
  }
  return [];
}

// By a number, or by a range with one number in it.
function numbered(text, class_names) {
  const [first, last = first] = text.split("-");
  if (!NUMBER.test(first) || !NUMBER.test(last) || text.split("-").length > 2) return undefined;
  if (Number(first) !== Number(last)) return undefined;
  const numbers = class_names.map((name) => (NUMBER.test(name) ? Number(name) : null));
  if (numbers.every((number) => number === null))
    return Number(first) < class_names.length ? Number(first) : undefined;
  const found = numbers.flatMap((number, i) => (number === Number(first) ? [i] : []));
  return found.length === 1 ? found[0] : undefined;
}
