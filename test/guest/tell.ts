/**
 * Loaded in front of the recorder inside a guest: says on the serial line which fragments were reported durable, as the recorder itself is
 * told, and changes nothing. The line is the only thing that outlives the power.
 */
import fs from 'node:fs';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  const { SpoolClient } = await import('@longroof/edge-agent/spool/client');
  const onlyFirst = process.env['LONGROOF_TELL'] === 'first';
  let hasSaid = false;
  const told = new WeakSet<object>();
  const { openStream } = SpoolClient.prototype;
  SpoolClient.prototype.openStream = function (stream) {
    if (!told.has(this)) {
      told.add(this);
      this.onDurable((durable) => {
        const { epoch, run } = this.identity;
        const lines = durable.map(({ stream: { camera, rendition }, seq }) => `durable ${epoch}/${camera}.${rendition}/${run}/${seq};\n`);
        if (onlyFirst && hasSaid) return;
        hasSaid = true;
        fs.writeSync(1, (onlyFirst ? lines.slice(0, 1) : lines).join(''));
      });
    }
    openStream.call(this, stream);
  };
}
