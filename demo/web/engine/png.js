// Pictures of greys as PNG (W3C PNG specification, third edition). Written by hand, because what a
// canvas gives back may differ: some browsers change a few pixels against being recognised.

export const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const GREY_8_BIT = [8, 0, 0, 0, 0]; // depth, kind, compression, filter, no interlace
const KEYWORD = "Comment"; // as in ldm_core/files/metadata.py
const BASE = 65521; // of Adler's checksum
const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// A small picture (side, side) as an address, at once: it is stored without being compressed.
export function data_uri(pixels, side) {
  const bytes = png(side, side, stored(rows_of(pixels, side)));
  return `data:image/png;base64,${btoa(String.fromCharCode(...bytes))}`;
}

// The bytes of a picture of this width, with a text of ASCII letters in it.
export async function encode_png(pixels, width, text) {
  const rows = new Blob([rows_of(pixels, width)]).stream();
  const packed = rows.pipeThrough(new CompressionStream("deflate")); // zlib's format, as in a PNG
  const data = new Uint8Array(await new Response(packed).arrayBuffer());
  return png(width, pixels.length / width, data, chunk("tEXt", ascii(`${KEYWORD}\0${text}`)));
}

function png(width, height, data, text = []) {
  const header = chunk("IHDR", [...big_endian(width), ...big_endian(height), ...GREY_8_BIT]);
  return joined(SIGNATURE, header, text, chunk("IDAT", data), chunk("IEND", []));
}

// Each row after the number of its filter: none.
function rows_of(pixels, width) {
  const height = pixels.length / width, rows = new Uint8Array(height * (width + 1));
  for (let y = 0; y < height; y++)
    rows.set(pixels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  return rows;
}

// zlib's format with a single block that is not compressed (RFC 1950, RFC 1951 section 3.2.4).
function stored(bytes) {
  const [low, high] = [bytes.length & 255, bytes.length >> 8];
  const head = [0x78, 0x01, 1, low, high, ~low & 255, ~high & 255];
  return joined(head, bytes, big_endian(adler32(bytes)));
}

export function chunk(name, data) {
  const body = joined(ascii(name), data);
  return joined(big_endian(data.length), body, big_endian(crc32(body)));
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc;
}

function adler32(bytes) {
  let [a, b] = [1, 0];
  for (const byte of bytes) [a, b] = [(a + byte) % BASE, (b + a + byte) % BASE];
  return b * 65536 + a;
}

export const big_endian = (number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255);
const ascii = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

export function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}
