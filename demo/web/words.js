// A run in words: the line under the player, and where the pictures of a morph lie.

// The settings of a request as one line of text. values: what is known of each, as `about` has it.
export function line_of(settings, values) {
  const words = Object.entries(settings).map(([name, value]) => {
    const known = values.find((one) => one.name === name);
    return known ? words_of(value, known) : "";
  });
  return [beginning(settings), ...words].filter(Boolean).join(" · ");
}

// Numbers are short, as Python's "g" writes them.
function words_of(value, { in_line, kind }) {
  const short = kind === "number" ? Number(value.toPrecision(6)) : value;
  const text = kind === "names" ? value.join(", ") : short;
  return in_line.replace(/\{s?\}/g, (part) => (part === "{}" ? text : value === 1 ? "" : "s"));
}

function beginning({ start_from, mask, invert, morph, loop }) {
  if (morph) return [...morph, ...(loop ? [morph[0]] : [])].join(" → ");
  if (!start_from) return "";
  return `a digit ${mask ? "completed" : invert === undefined ? "re-imagined" : "edited"}`;
}

// Where an image of a morph lies: at a point "3:1", or between two, "3:1 → 8:2, 25%".
export function caption_of({ morph, frames }, index) {
  const before = Math.floor(index / frames), after = (before + 1) % morph.length;
  const share = (100 * (index % frames)) / frames;
  return share ? `${morph[before]} → ${morph[after]}, ${Math.round(share)}%` : morph[before];
}
