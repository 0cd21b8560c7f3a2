/**
 * Reads the instant that the demo's cameras draw into each frame as black and white blocks: two rows of 32, the first bit top
 * left, 48 bits of milliseconds since 1970 UTC and a CRC-16 over them. A block is a fortieth of the picture's width; the rows stand
 * four blocks from the left, the lower one two blocks above the bottom. Reads what survived encoding or nothing, never a wrong time.
 */
const COLUMNS = 32;
const ROWS = 2;
const TIME_BITS = 48;
/** Luma this far from the middle at least, or the block counts as unreadable. */
const CONTRAST_MIN = 40;

/** CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xffff, most significant bit first. */
function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

/** Mean luma of the middle half of a block, so that the encoder's smear over its edges does not count. */
function blockLuma(gray: Uint8Array, width: number, left: number, top: number, cell: number): number {
  const margin = cell >> 2;
  let sum = 0;
  let count = 0;
  for (let y = top + margin; y < top + cell - margin; y++) {
    for (let x = left + margin; x < left + cell - margin; x++) {
      sum += gray[y * width + x] ?? 0;
      count++;
    }
  }
  return sum / count;
}

/** UTC in milliseconds of a raw frame, one byte luma a pixel; undefined where no whole code can be read. */
export function readTimeCode(gray: Uint8Array, width: number, height: number): number | undefined {
  const cell = Math.floor(width / 40);
  if (cell < 4 || gray.length < width * height || height < 3 * cell) return undefined;
  const code = new Uint8Array((COLUMNS * ROWS) / 8);
  for (let bit = 0; bit < COLUMNS * ROWS; bit++) {
    const left = 4 * cell + (bit % COLUMNS) * cell;
    const top = height - (3 - Math.floor(bit / COLUMNS)) * cell;
    const luma = blockLuma(gray, width, left, top, cell) - 128;
    if (Math.abs(luma) < CONTRAST_MIN) return undefined;
    if (luma > 0) code[bit >> 3] = (code[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  }
  const time = code.subarray(0, TIME_BITS / 8);
  if (crc16(time) !== ((code[6] ?? 0) << 8) + (code[7] ?? 0)) return undefined;
  return Buffer.from(time).readUIntBE(0, TIME_BITS / 8);
}
