/**
 * `longroof-verify FILE [--root ca.crt] [--json]`: says in words what an exported pull, or a receipt alone, proves. Exit code 0: all of it is proven; 1: it
 * is broken; 2: nothing is wrong with it, but not all is proven, or it could not be examined.
 */
import type { X509Certificate } from 'node:crypto';
import { systemDisk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import { Command } from 'commander';
import { printAnswer, readAnswerFile } from './answer.js';
import { openSource } from './source.js';
import { readCertificate } from './trust.js';
import { examine } from './verify.js';
import { print, report, type Verdict } from './words.js';

const BRACE = 0x7b;
const RECEIPT_BYTES_MAX = 4 * 1024 * 1024;
const EXIT: Readonly<Record<Verdict, number>> = { proven: 0, broken: 1, partly: 2 };

function run(file: string, { root, json }: { root?: string; json?: boolean }): void {
  let given: X509Certificate | undefined;
  if (root !== undefined) given = readCertificate(systemDisk.readFile(root), root);
  const source = openSource(systemDisk, file);
  try {
    if (source.bytes > 0 && source.bytes <= RECEIPT_BYTES_MAX && source.read(0, 1)[0] === BRACE) {
      runReceipt(file, source.read(0, source.bytes).toString('utf8'), { root: given, json });
      return;
    }
    const said = report(examine(source, given));
    process.stdout.write(json ? `${JSON.stringify(said, null, 2)}\n` : print(file, said));
    process.exitCode = EXIT[said.verdict];
  } finally {
    source.close();
  }
}

/** A signed receipt for a request, alone. */
function runReceipt(file: string, text: string, { root, json }: { root: X509Certificate | undefined; json: boolean | undefined }): void {
  if (!root)
    throw new Fault(
      'invalid',
      'LR_PROOF_ROOT',
      "a receipt alone is checked with --root: the certificate of the fleet's root, from its operator",
    );
  try {
    const answer = readAnswerFile(text, root);
    process.stdout.write(json ? `${JSON.stringify({ verdict: 'proven', answer }, null, 2)}\n` : printAnswer(file, answer));
    process.exitCode = EXIT.proven;
  } catch (error) {
    const { code, message } = toFault(error);
    const broken = { verdict: 'broken', code, message };
    process.stdout.write(json ? `${JSON.stringify(broken, null, 2)}\n` : `${file}: BROKEN: ${code}: ${message}\n`);
    process.exitCode = EXIT.broken;
  }
}

new Command('longroof-verify')
  .description('Checks an exported pull: what it proves, and what it does not.')
  .argument('<file>', 'the zip; or a signed receipt for a request, as JSON')
  .option('--root <file>', "the certificate of the fleet's root, from the fleet's operator")
  .option('--json', 'the same as JSON')
  .addHelpText(
    'after',
    '\nExamples:\n  longroof-verify wagon-1_0b8a1c7e.zip --root root.crt\n  longroof-verify receipt_0b8a1c7e.json --root root.crt\n\nExit code: 0 all of it is proven, 1 broken, 2 not all is proven or it could not be examined.\n',
  )
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .action((file: string, options: { root?: string; json?: boolean }) => {
    try {
      run(file, options);
    } catch (error) {
      const fault = error instanceof Fault ? error : toFault(error);
      process.stderr.write(`longroof-verify: ${fault.code}: ${fault.message}\n`);
      process.exit(2);
    }
  })
  .parse();
