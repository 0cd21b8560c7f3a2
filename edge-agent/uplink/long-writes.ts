/**
 * What is written to a TLS socket together Node first copies into new memory, of as many bytes: for footage half a MiB again and again,
 * which costs more than its encryption (docs/performance.md). Long pieces are written by themselves, from where they lie; short ones, a
 * header before them or the journal, still go together, so that a thin link carries no more packets.
 */
import type { TLSSocket } from 'node:tls';

const LONG_BYTES = 64 * 1024;

type Piece = { chunk: Buffer; encoding: BufferEncoding };
type Done = (error?: Error | null) => void;

/** Gives the socket itself. */
export function writeLongAlone(socket: TLSSocket): TLSSocket {
  const alone = socket._write.bind(socket);
  const together = socket._writev?.bind(socket);
  if (!together) return socket;
  socket._writev = (pieces: Piece[], done: Done) => {
    const groups = inGroups(pieces);
    const next = (error?: Error | null): void => {
      const group = error ? undefined : groups.shift();
      const [first] = group ?? [];
      if (!group || !first) done(error);
      else if (group.length === 1) alone(first.chunk, first.encoding, next);
      else together(group, next);
    };
    next();
  };
  return socket;
}

/** In their order. */
function inGroups(pieces: readonly Piece[]): Piece[][] {
  const isShort = (piece: Piece | undefined): boolean => piece !== undefined && piece.chunk.length < LONG_BYTES;
  const groups: Piece[][] = [];
  for (const piece of pieces) {
    const last = groups.at(-1);
    if (last && isShort(last[0]) && isShort(piece)) last.push(piece);
    else groups.push([piece]);
  }
  return groups;
}
