// From what people write to a class, as in ldm_core/model/class_names.py.

import { folded } from "./vocabulary.js";

const NO_LABEL = "*";
const ANY = "any";
const NUMBER = /^[0-9]{1,9}$/;

// The index of the one class that a text names, null for no label; undefined for what is refused:
// what is unknown, what differs from two names in case alone, and a range.
export function find_label(text, class_names) {
  if (text === NO_LABEL) return null;
  const exact = class_names.findIndex((name) => name.normalize("NFC") === text.normalize("NFC"));
  if (exact >= 0) return exact;
  const alike = class_names.flatMap((name, i) => (folded(name) === folded(text) ? [i] : []));
  if (alike.length) return alike.length > 1 ? undefined : alike[0];
  return text.toLowerCase() === ANY ? null : numbered(text, class_names);
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
