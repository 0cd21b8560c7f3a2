/** How footage crosses to the spool's worker without being copied. */

/**
 * Parts with the memory behind them, each piece of memory once. Shared memory stays where it is; small parts are copied: their memory may
 * be Node's pool.
 */
export function movable(parts: readonly Uint8Array[]): { parts: Uint8Array[]; transfer: ArrayBuffer[] } {
  const transfer = new Set<ArrayBuffer>();
  const moved = parts.map((part) => {
    const isPooled = part.buffer.byteLength <= Buffer.poolSize && part.byteLength < part.buffer.byteLength;
    const own = isPooled ? new Uint8Array(part) : part;
    if (!(own.buffer instanceof SharedArrayBuffer)) transfer.add(own.buffer as ArrayBuffer);
    return own;
  });
  return { parts: moved, transfer: [...transfer] };
}
