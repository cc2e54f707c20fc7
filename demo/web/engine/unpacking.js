// Unpacks the ONNX models that ldm_core/export/packing.py has packed.

// packed: Uint8Array -> the model, Uint8Array.
export function unpacked(packed) {
  const { buffer, byteOffset } = packed, size = new DataView(buffer, byteOffset).getUint32(0, true);
  let from = 4 + size, to = 0;
  const parts = JSON.parse(new TextDecoder().decode(packed.subarray(4, from)));
  const length = ({ bytes, numbers }) => bytes ?? 4 * numbers;
  const model = new Uint8Array(parts.reduce((sum, part) => sum + length(part), 0));
  for (const part of parts) {
    const { bytes, numbers, digits, step } = part;
    if (numbers) model.set(new Uint8Array(joined(numbers, digits, step)), to);
    else model.set(packed.subarray(from, from + bytes), to);
    from += bytes ?? numbers * digits;
    to += length(part);
  }
  return model;

  // The digits of each place stand together, the lowest first. Every sum is exact.
  function joined(numbers, digits, step) {
    const values = new Float32Array(numbers);
    for (let place = 0; place < digits; place++) {
      const each = new Int8Array(buffer, byteOffset + from + place * numbers, numbers);
      const worth = step * 256 ** place;
      for (let i = 0; i < numbers; i++) values[i] += worth * each[i];
    }
    return values.buffer;
  }
}
