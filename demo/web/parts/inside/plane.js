// Points of many numbers in the plane of their two principal components.

const ROUNDS = 60;

// rows: a list of arrays of n numbers. Returns {mean, axes}: two axes (n,) of length 1, along which
// the rows differ most (Pearson 1901), found by power iteration. Their signs are fixed: the largest
// number of each is above 0.
export function plane_of(rows) {
  const mean = rows[0].map((_, j) => rows.reduce((sum, row) => sum + row[j], 0) / rows.length);
  const centred = rows.map((row) => row.map((x, j) => x - mean[j]));
  const axes = [];
  for (let k = 0; k < 2; k++) {
    let axis = mean.map((_, j) => Math.cos(1 + j * (k + 1)));
    for (let round = 0; round < ROUNDS; round++) {
      const along = centred.map((row) => dot(row, axis));
      axis = mean.map((_, j) => centred.reduce((sum, row, i) => sum + along[i] * row[j], 0));
      for (const other of axes) {
        const share = dot(axis, other);
        axis = axis.map((x, j) => x - share * other[j]);
      }
      const length = Math.sqrt(dot(axis, axis)) || 1;
      axis = axis.map((x) => x / length);
    }
    const largest = axis.reduce((most, x) => (Math.abs(x) > Math.abs(most) ? x : most), 0);
    axes.push(axis.map((x) => x * Math.sign(largest || 1)));
  }
  return { mean, axes };
}

// Where a row lies in a plane: [x, y].
export const in_plane = ({ mean, axes }, row) =>
  axes.map((axis) => row.reduce((sum, x, j) => sum + (x - mean[j]) * axis[j], 0));

export const dot = (a, b) => a.reduce((sum, x, j) => sum + x * b[j], 0);

// An axis of a plot that holds all numbers, with some room.
export function axis_of(numbers, title) {
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const room = 0.08 * (high - low) || 1;
  return { low: low - room, high: high + room, title };
}
