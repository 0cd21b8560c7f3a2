/**
 * Loaded in front of the recorder inside a guest: says on the serial line which fragments were reported durable, as the recorder itself is
 * told by its spool's worker, and changes nothing. The line is the only thing that outlives the power.
 */
import { EventEmitter } from 'node:events';
import fs from 'node:fs';
import { isMainThread, Worker } from 'node:worker_threads';

interface Said {
  kind?: string;
  identity?: { epoch: string; run: number };
  durable?: { stream: { camera: string; rendition: string }; seq: number }[];
}

if (isMainThread) {
  let identity: Said['identity'];
  const tell = ({ kind, durable, ...said }: Said): void => {
    if (kind === 'ready') identity = said.identity;
    if (kind !== 'ticked' || !durable || durable.length === 0 || !identity) return;
    const { epoch, run } = identity;
    const lines = durable.map(({ stream: { camera, rendition }, seq }) => `durable ${epoch}/${camera}.${rendition}/${run}/${seq};\n`);
    fs.writeSync(1, lines.join(''));
  };
  Worker.prototype.emit = function (...said: Parameters<EventEmitter['emit']>) {
    if (said[0] === 'message') tell(said[1] as Said);
    return EventEmitter.prototype.emit.apply(this, said);
  };
}
