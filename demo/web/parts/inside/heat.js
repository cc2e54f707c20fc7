// Numbers as pictures: grey levels, latents and maps of heat, on canvases of as many pixels.

const GAP = 1; // pixels between maps
const HOT = [255, 122, 74];
const COLD = [96, 168, 255];

// A canvas for `paint` with a name and a caption, as HTML.
export const figure = (name, title, small = "") =>
  `<figure class="heat"><canvas data-heat="${name}" role="img" aria-label="${title}"></canvas>` +
  `<figcaption><b>${title}</b> <span>${small}</span></figcaption></figure>`;

// Figures side by side, as HTML: so many in a row on a wide page, and on a narrow one.
export const row = (figures, wide, narrow = Math.min(wide, 4)) =>
  `<div class="row" style="--wide: ${wide}; --narrow: ${narrow}">${figures.join("")}</div>`;

// Maps of `side` x `side` in `columns`, their numbers as colours: color is a function from a number
// to [red, green, blue].
export function paint(canvas, numbers, { side = 28, columns = 1, color = grey } = {}) {
  const count = numbers.length / side ** 2,
    pitch = side + GAP;
  const [width, height] = [columns, Math.ceil(count / columns)].map((n) => n * pitch - GAP);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const image = new ImageData(width, height);
  numbers.forEach((number, i) => {
    const map = Math.floor(i / side ** 2),
      [y, x] = [Math.floor(i / side) % side, i % side];
    const [column, row] = [map % columns, Math.floor(map / columns)];
    image.data.set([...color(number), 255], 4 * ((row * pitch + y) * width + column * pitch + x));
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export const grey = (level) => [level, level, level];

// Colours for numbers of both signs: black for 0, orange up to `most`, blue down to -most.
export const signed = (most) => (number) => {
  const share = Math.min(Math.abs(number) / most, 1);
  return (number > 0 ? HOT : COLD).map((part) => part * share);
};

// A latent (4, 8, 8) as its four maps.
export const LATENT = { side: 8, columns: 2 };
export const latent = (canvas, numbers, most = 3) =>
  paint(canvas, numbers, { ...LATENT, color: signed(most) });

// A picture of greys with heat over it: heat of `side` x `side`, from 0 to 1.
export function glow(canvas, greys, heat, side) {
  const by = 28 / side;
  const mixed = Float32Array.from(greys, (_, i) => i);
  paint(canvas, mixed, {
    color: (i) => {
      const share = heat[Math.floor(Math.floor(i / 28) / by) * side + Math.floor((i % 28) / by)];
      return HOT.map((part) => 0.75 * part * share + 0.55 * greys[i] * (1 - 0.5 * share));
    },
  });
}
