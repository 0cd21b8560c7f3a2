/** `longroof-provision`: the installer's tool on the command line. */
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { sayFault } from '@longroof/base/program';
import { Command } from 'commander';
import { enrol } from './enrol.js';
import { makeMosquitto } from './mosquitto.js';

const program = new Command('longroof-provision')
  .description('Gives camera units their identity.')
  .addHelpText(
    'after',
    '\nExamples:\n  longroof-provision enrol --authority ./data/authority --unit wagon-7 --out ./wagon-7/identity\n  longroof-provision mosquitto --help\n',
  )
  .showHelpAfterError();

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

const collect = (value: string, before: string[]): string[] => [...before, value];

program
  .command('mosquitto')
  .description('Writes certificates, configuration and access list for a mosquitto between units and controllers.')
  .requiredOption('--authority <dir>', "folder of the fleet's authority")
  .requiredOption('--name <host>', 'name or address by which it is reached; may be given several times', collect, [])
  .requiredOption('--out <dir>', 'folder that mosquitto reads')
  .option('--port <port>', 'where units connect', Number, 8883)
  .option('--centre-host <address>', 'where it listens for controllers: an address that units do not reach', '127.0.0.1')
  .option('--centre-port <port>', 'port for controllers', Number, 8884)
  .addHelpText(
    'after',
    '\nExample:\n  longroof-provision mosquitto --authority ./data/authority --name broker.example.net --name 10.0.0.5 --centre-host 10.0.0.5 --out /etc/mosquitto/longroof\n',
  )
  .action(async ({ name, ...options }: Omit<Parameters<typeof makeMosquitto>[0], 'names'> & { name: string[] }) => {
    const files = await makeMosquitto({ ...options, names: name }, systemDisk, systemClock.utc);
    for (const file of files) process.stdout.write(`wrote ${file}\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  sayFault('longroof-provision', error);
  process.exitCode = 1;
}
