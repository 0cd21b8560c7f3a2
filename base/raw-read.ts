/**
 * Reads what the kernel holds for a connection, now, without the event loop: for many streams that are read by a clock. A stream that
 * libuv has stopped reading wakes the process once more for each pause, and costs two changes of the poll set; this costs one call.
 */
import fs from 'node:fs';
import type net from 'node:net';

/** Nothing is there at the moment. */
export const NOTHING_YET = -1;

/**
 * The descriptor of a connection; undefined where the platform gives none or the connection is gone. Node keeps it on the socket's
 * handle, which it does not promise: whoever asks needs another way for when there is none.
 */
export function descriptorOf(socket: net.Socket): number | undefined {
  const fd = (socket as { _handle?: { fd?: number } | null })._handle?.fd;
  return fd !== undefined && fd >= 0 ? fd : undefined;
}

/** Bytes read into the start of `into`; 0 at the end of the stream, NOTHING_YET while there are none. Throws what the system says. */
export function readNow(fd: number, into: Buffer): number {
  try {
    return fs.readSync(fd, into, 0, into.length, null);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return NOTHING_YET;
    throw error;
  }
}
