// A small plot in SVG. Its text and lines take their colours from the page (inside.css).

const [WIDTH, LEFT, TOP, RIGHT, BOTTOM] = [440, 46, 12, 14, 38];

// An axis: {low, high, ticks: [[value, text], ...], title, log}.
const place = ({ low, high, log }, from, to) => {
  const scale = log ? Math.log : (value) => value;
  return (value) => from + ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (to - from);
};

// The colours of lines are those of the legend.
const series = (i) => `style="--series: var(--series-${i})"`;

// The SVG as text. lines: [{name, points: [[x, y], ...], is_dotted, dots}], each of its own colour,
// unless it has `color`, a number. marks: [{x, y, text, name}] are points with a word beside them.
// at: an x where a line stands. label: for screen readers. height: the width is 440.
export function plot({ x, y, lines = [], marks = [], at = null, label, height = 240 }) {
  const [across, up] = [place(x, LEFT, WIDTH - RIGHT), place(y, height - BOTTOM, TOP)];
  const point = ([a, b]) => `${across(a).toFixed(1)},${up(b).toFixed(1)}`;
  const parts = [];
  for (const [value, text] of y.ticks ?? [])
    parts.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${up(value)}" y2="${up(value)}"/>`,
      `<text x="${LEFT - 6}" y="${up(value) + 4}" text-anchor="end">${text}</text>`,
    );
  for (const [value, text] of x.ticks ?? [])
    parts.push(
      `<text x="${across(value)}" y="${height - BOTTOM + 16}" text-anchor="middle">${text}</text>`,
    );
  const middle = (LEFT + WIDTH - RIGHT) / 2;
  parts.push(`<text x="${middle}" y="${height - 4}" text-anchor="middle">${x.title ?? ""}</text>`);
  parts.push(`<text x="4" y="10">${y.title ?? ""}</text>`);
  if (at !== null)
    parts.push(
      `<line class="at" x1="${across(at)}" x2="${across(at)}" ` +
        `y1="${TOP}" y2="${height - BOTTOM}"/>`,
    );
  lines.forEach(({ points, is_dotted, dots, color, name }, i) => {
    const paint = series(color ?? i);
    parts.push(
      `<polyline ${paint} class="${is_dotted ? "dotted" : ""}" points="${points.map(point).join(" ")}">` +
        `<title>${name ?? ""}</title></polyline>`,
    );
    for (const [a, b] of dots ?? [])
      parts.push(`<circle ${paint} cx="${across(a)}" cy="${up(b)}" r="3"/>`);
  });
  const safe = (text) => text.replace(/[&<]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  const taken = []; // places of words: what would cover another is seen when the pointer is there
  for (const { x: a, y: b, text, is_lit } of [...marks].sort(
    (one, other) => other.is_lit - one.is_lit,
  )) {
    const [left, base] = [across(a) + 6, up(b) + 4],
      right = left + 7 * text.length;
    const is_free = taken.every(([l, r, y]) => right < l || left > r || Math.abs(base - y) > 11);
    if (is_free) taken.push([left, right, base]);
    const word = is_free ? `<text x="${left}" y="${base}">${safe(text)}</text>` : "";
    parts.push(
      `<g class="mark${is_lit ? " lit" : ""}"><title>${safe(text)}</title>` +
        `<circle cx="${across(a)}" cy="${up(b)}" r="3.5"/>${word}</g>`,
    );
  }
  return (
    `<svg class="plot" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${label}">` +
    `${parts.join("")}</svg>`
  );
}

// Which colour is which line; first: that of the first.
export const legend = (names, first = 0) =>
  `<ul class="legend">${names
    .map((name, i) => `<li ${series(first + i)}>${name}</li>`)
    .join("")}</ul>`;
