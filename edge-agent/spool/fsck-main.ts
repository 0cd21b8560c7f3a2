/** `longroof-fsck DIR [--json]`: 0 clean, 1 damage found and named, 2 cannot check. Reads only. */
import path from 'node:path';
import { inScratchFolder, systemDisk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import { Command, CommanderError } from 'commander';
import { checkSpool } from './fsck.js';
import { printReport } from './fsck-print.js';

function check(folder: string, options: { json?: boolean }): number {
  try {
    const report = inScratchFolder('longroof-fsck', (scratch) => checkSpool(systemDisk, path.resolve(folder), scratch));
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : printReport(report));
    return report.damage.length > 0 ? 1 : 0;
  } catch (error) {
    const fault = toFault(error);
    if (options.json) process.stdout.write(`${JSON.stringify({ path: folder, code: fault.code, error: fault.message })}\n`);
    else process.stderr.write(`longroof-fsck: ${fault.message} (${fault.code})\n${fault.hint ? `  ${fault.hint}\n` : ''}`);
    return 2;
  }
}

const program = new Command('longroof-fsck')
  .description('Checks a spool: footage, index, journal and the accounting of time. Changes nothing.')
  .argument('<dir>', 'the folder of the spool')
  .option('--json', 'one JSON object instead of text')
  .addHelpText(
    'after',
    '\nExamples:\n  longroof-fsck ./spool\n  longroof-fsck ./spool --json\n\nExit code: 0 clean, 1 damage, 2 not checked.\n',
  )
  .showHelpAfterError()
  .exitOverride()
  .action((folder: string, options: { json?: boolean }) => {
    process.exitCode = check(folder, options);
  });

try {
  program.parse();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
