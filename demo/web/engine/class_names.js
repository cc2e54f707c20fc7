// From what people write to a class, as in ldm_core/model/class_names.py.

import { folded } from "./vocabulary.js";

const NO_LABEL = "*";
const ANY = "any";
const NUMBER = /^[0-9]{1,9}$/;

// The index of the one class that a text names, null for no label; undefined for what is refused:
// what is unknown, and what differs from two names in case alone.
export function find_label(text, class_names) {
  if (text === NO_LABEL) return null;
  const exact = class_names.findIndex((name) => name.normalize("NFC") === text.normalize("NFC"));
  if (exact >= 0) return exact;
  const alike = class_names.flatMap((name, i) => (folded(name) === folded(text) ? [i] : []));
  if (alike.length) return alike.length > 1 ? undefined : alike[0];
  if (text.toLowerCase() === ANY) return null;
  return NUMBER.test(text) ? numbered(Number(text), class_names) : undefined;
}

// The class with that number as its name; where no name is one, they are counted.
function numbered(number, class_names) {
  const found = class_names.flatMap((name, i) => (Number(name) === number ? [i] : []));
  if (class_names.some((name) => NUMBER.test(name))) return found.length === 1 ? found[0] : undefined;
  return number < class_names.length ? number : undefined;
}
