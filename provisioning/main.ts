/** `longroof-provision`: the installer's tool on the command line. */
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { toFault } from '@longroof/base/errors';
import { Command } from 'commander';
import { enrol } from './enrol.js';

const program = new Command('longroof-provision').description('Gives camera units their identity.').showHelpAfterError();

program
  .command('enrol')
  .description("Signs a unit's certificate with the fleet's authority.")
  .requiredOption('--authority <dir>', "folder of the fleet's authority; made the first time")
  .requiredOption('--unit <id>', 'name of the unit: lower-case letters, digits, hyphens')
  .option('--csr <file>', 'certificate request made on the unit; the certificate is printed')
  .option('--out <dir>', 'make the keys too: unit.key unit.crt journal.key ca.crt')
  .addHelpText(
    'after',
    `
Examples:
  longroof-provision enrol --authority ./data/authority --unit wagon-7 --out ./wagon-7/identity
  longroof-provision enrol --authority ./data/authority --unit wagon-7 --csr wagon-7.csr > unit.crt

A request (--csr) names the unit's journal key in its subject alternative name, as
URI:urn:longroof:journal-key:sha256:HEX, where HEX is the SHA-256 of the key's SubjectPublicKeyInfo.`,
  )
  .action(async (options: { authority: string; unit: string; csr?: string; out?: string }) => {
    const { certificatePem, files } = await enrol(options, systemDisk, systemClock.utc);
    if (certificatePem !== undefined) process.stdout.write(certificatePem.endsWith('\n') ? certificatePem : `${certificatePem}\n`);
    for (const file of files) process.stdout.write(`wrote ${file}\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  const fault = toFault(error);
  process.stderr.write(`longroof-provision: ${fault.code}: ${fault.message}\n${fault.hint ? `${fault.hint}\n` : ''}`);
  process.exitCode = 1;
}
