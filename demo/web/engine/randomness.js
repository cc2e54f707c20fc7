// Gaussian noise as a pure function of (seed, stream), by counter-based random numbers (Salmon et al.
// 2011, "Parallel random numbers: as easy as 1, 2, 3"): those of ldm_core/diffusion/randomness.py.

const MULTIPLIERS = [0xd2511f53, 0xcd9e8d57];
const KEY_STEPS = [0x9e3779b9, 0xbb67ae85];

// Philox-4x32 with 10 rounds (Salmon et al. 2011, section 3.3).
//
// counter: four, key: two 32-bit words. Returns four random ones. In between, a word may be
// negative: the operators for bits mind only its bits.
export function philox4x32([c0, c1, c2, c3], [k0, k1]) {
  const [m0, m1] = MULTIPLIERS;
  for (let round = 0; round < 10; round++) {
    const [high_0, low_0] = [high(c0, m0), Math.imul(c0, m0)];
    const [high_1, low_1] = [high(c2, m1), Math.imul(c2, m1)];
    [c0, c1, c2, c3] = [high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0];
    [k0, k1] = [(k0 + KEY_STEPS[0]) | 0, (k1 + KEY_STEPS[1]) | 0];
  }
  return [c0, c1, c2, c3].map((word) => word >>> 0);
}

// The upper 32 bits of a product of two 32-bit words, from products of their halves: a number here
// is exact up to 53 bits only.
function high(a, b) {
  const [a_high, a_low, b_high, b_low] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = a_high * b_low + ((a_low * b_low) >>> 16);
  const carried = a_low * b_high + (middle & 0xffff);
  return a_high * b_high + (middle >>> 16) + (carried >>> 16);
}

// Standard normal noise, Float32Array (seeds.length, ...shape), by Box and Muller (1958).
//
// Row i depends on (seeds[i], stream) only. Seeds are whole numbers below 2**32, as those of requests;
// stream says which noise of this image: 0 for the start, the step's index after that. Computed in
// float64, and rounded once.
export function gaussian_noise(seeds, stream, shape) {
  const size = shape.reduce((product, side) => product * side, 1);
  const noise = new Float32Array(seeds.length * size);
  seeds.forEach((seed, row) => {
    const flat = noise.subarray(row * size, (row + 1) * size);
    for (let block = 0; 4 * block < size; block++) {
      const words = philox4x32([block, stream, 0, 0], [seed, 0]);
      const u = words.map((word) => (word + 0.5) * 2 ** -32); // never 0, so the log is finite
      for (const first of [0, 2]) {
        const [radius, angle] = [Math.sqrt(-2 * Math.log(u[first])), 2 * Math.PI * u[first + 1]];
        flat[4 * block + first] = radius * Math.cos(angle); // beyond the end this does nothing
        flat[4 * block + first + 1] = radius * Math.sin(angle);
      }
    }
  });
  return noise;
}
