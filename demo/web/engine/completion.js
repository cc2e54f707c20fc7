// Completion: a part of the sample is known, and the rest is drawn so that it fits (RePaint, Lugmayr
// et al. 2022); as in ldm_core/diffusion/completion.py.

const PIECE = 3; // steps that are made again together

// A denoiser whose estimates agree with what is known: `keep` puts that into an x_0.
export function keeping(denoise, keep) {
  return async (x_t, t) => keep(await denoise(x_t, t));
}

// A falling grid in pieces, in the order in which they are run: each piece of PIECE steps `repeats`
// times, but the last once, as nothing comes after it that it would have to fit.
export function passes(times, repeats) {
  if (repeats === 1) return [times];
  const pieces = [];
  for (let i = 0; i < times.length - 1; i += PIECE) pieces.push(times.slice(i, i + PIECE + 1));
  const last = pieces.pop();
  return [...pieces.flatMap((piece) => Array(repeats).fill(piece)), last];
}

// Where `resampled` starts, and where each of its steps leads.
export function times_reached(pieces) {
  return [pieces[0][0], ...pieces.flatMap((piece) => [...piece.slice(1)])];
}

// A sampler's steps through the pieces of `passes`; before a piece comes again, noise takes it back
// from s to t (Lugmayr et al. 2022, algorithm 1 and section 4.2):
//
//     x_t = signal_t / signal_s x_s + sqrt(1 - (signal_t / signal_s)^2) noise
export async function* resampled(sampler, denoise, x, pieces, { schedule, noise, eta }) {
  let stream = 0, reached = pieces[0][0];
  const fresh = () => noise(++stream);
  for (const piece of pieces) {
    if (piece[0] > reached) {
      const ratio = schedule.levels(piece[0])[0] / schedule.levels(reached)[0];
      const deviation = Math.sqrt(1 - ratio ** 2), again = fresh();
      x = x.map((x, j) => ratio * x + deviation * again[j]);
    }
    for await (const [x_t, x_0] of sampler(denoise, x, piece, { schedule, noise: fresh, eta })) {
      x = x_t;
      yield [x_t, x_0];
    }
    reached = piece.at(-1);
  }
}
