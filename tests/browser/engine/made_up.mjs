// A model whose networks are closed formulas, the same as in made_up.py.

import { LatentDiffusion } from "../../../demo/web/engine/latent_diffusion.js";
import { promptLanguage } from "../../../demo/web/engine/vocabulary.js";

export function made_up(about) {
  const { vocabulary } = about;
  return new LatentDiffusion(about, new MadeUp(vocabulary.places), promptLanguage(vocabulary));
}

// asked: for each call its name, and how many prompts or predictions it was for.
class MadeUp {
  asked = [];

  constructor(n_places) {
    this.n_places = n_places;
  }

  context(rows, amounts) {
    this.asked.push(["context", rows.length / this.n_places]);
    return amounts.map((amount, i) => amount * Math.sin(rows[i]));
  }

  between(context, mix) {
    const { n_places } = this;
    const at = (row, i) => context[row * n_places + i];
    return Float32Array.from({ length: mix.length * n_places }, (_, i) => {
      const { before, after, share } = mix[Math.floor(i / n_places)], place = i % n_places;
      return at(before, place) + share * (at(after, place) - at(before, place));
    });
  }

  predict(x_t, t, context) {
    const { n_places } = this;
    const size = context.length / n_places;
    this.asked.push(["predict", size]);
    return Float32Array.from({ length: size * 256 }, (_, i) => {
      const e = i % 256, n = Math.floor(i / 256), image = n % t.length;
      const x = x_t.subarray(image * 256, (image + 1) * 256);
      const mix = 0.7 * x[e] - 0.4 * x[(e + 5) % 256] + Math.sin((e % 7) + 3 * t[image]);
      return Math.tanh(mix + context[n * n_places + (e % n_places)]);
    });
  }

  encode(image) {
    const z = (_, i) => Math.tanh(image[4 * i] - 0.3 * image[4 * i + 3] + Math.sin(i % 256));
    return Float32Array.from({ length: image.length / 4 }, z);
  }

  decode(z) {
    const picture = (_, i) => 1.2 * Math.tanh(z[Math.floor(i / 4)] + Math.sin(i % 1024));
    return Float32Array.from({ length: z.length * 4 }, picture);
  }
}
