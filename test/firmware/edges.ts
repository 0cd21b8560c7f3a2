/**
 * A program inside the guest: counts the edges that onoff sees on a line of a chip, until it is ended. Says `watching`, then each level.
 *
 *   edges.js CHIP OFFSET
 */
import { systemDisk } from '@longroof/base/disk';
import { lineNumber, listChips } from '@longroof/firmware/board/chips';
import { onoffLines } from '@longroof/firmware/board/gpio-line';

const [chip = '', offset = '0'] = process.argv.slice(2);
const spec = { chip, offset: Number(offset), activeLow: false };
const line = (await onoffLines())(lineNumber(listChips(systemDisk), 'the line', spec), 'in', false);
let seen = 0;
line.watch((level) => {
  seen += 1;
  process.stdout.write(`edge ${seen} ${level ? 'high' : 'low'};\n`);
});
process.stdout.write('watching;\n');
