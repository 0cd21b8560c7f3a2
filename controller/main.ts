/**
 * `longroof-controller --config controller.yaml`: the centre, until SIGTERM or SIGINT. When ready it prints one line with its addresses
 * to standard output; its log goes to standard error. `add-person` adds an account, or gives one another password; `revoke` and `readmit`
 * say whose certificates are taken, also while it runs.
 */
import { X509Certificate } from 'node:crypto';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { Fault, toFault } from '@longroof/base/errors';
import { createLog, silentLog } from '@longroof/base/log';
import { endOnSignal, sayFault } from '@longroof/base/program';
import { Command } from 'commander';
import { AuditLog } from './accounts/audit-log.js';
import { People } from './accounts/people.js';
import { ROLES } from './accounts/roles.js';
import { backup, checkBackup, restore, restored } from './backup-command.js';
import { Centre } from './centre.js';
import { loadControllerConfig } from './config.js';
import { letHeapGrow } from './heap.js';
import { type Db, openStore } from './store/open.js';
import { readmit, revoke, serialOf } from './store/revocations.js';
import { VERSION } from './version.js';

/** An orderly stop takes at most so long. */
const STOP_MS = 2500;
const PASSWORD_VARIABLE = 'LONGROOF_PASSWORD';

interface GlobalOptions {
  config: string;
  check?: boolean;
}

async function run({ config: file, check }: GlobalOptions): Promise<void> {
  const config = loadControllerConfig(systemDisk, file);
  if (check) {
    process.stdout.write(`${file} is correct\n`);
    return;
  }
  letHeapGrow();
  const log = createLog('longroof-controller', config.log);
  if (!config.http.behindTls && !isLoopback(config.http.host))
    log.warn({ host: config.http.host }, 'passwords and footage go over this network in the clear: put a proxy with TLS in front');
  const centre = await Centre.start({ config, clock: systemClock, disk: systemDisk, log });
  endOnSignal({ clock: systemClock, log, withinMs: STOP_MS, stop: () => centre.stop() });
  process.stdout.write(`longroof-controller: ${centre.httpUrl} ${centre.mqttUrl}\n`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

async function addPerson(file: string, name: string, role: string): Promise<void> {
  const password = process.env[PASSWORD_VARIABLE];
  if (!password)
    throw new Fault('invalid', 'LR_PERSON_PASSWORD', 'no password was given', {
      hint: `Put it into the environment variable ${PASSWORD_VARIABLE}, so that it stands in no list of processes.`,
    });
  const { data } = loadControllerConfig(systemDisk, file);
  const store = await openStore({ dir: data, clock: systemClock, log: silentLog });
  try {
    const person = await new People(store.db, systemClock).set(name, password, role);
    await new AuditLog(store.db, systemClock).record({ person: 'operator', action: 'person', subject: `person:${name}`, detail: { role } });
    process.stdout.write(`${person.name} may sign in as ${person.role}\n`);
  } finally {
    await store.close();
  }
}

interface RevokeOptions {
  unit: string;
  reason: string;
  certificate?: string;
}

function serialIn(file: string): string {
  try {
    return serialOf(new X509Certificate(systemDisk.readFile(file)));
  } catch (error) {
    throw new Fault('invalid', 'LR_REVOKE_FILE', `${file}: ${toFault(error).message}`, { cause: error, hint: 'Give a unit.crt in PEM.' });
  }
}

async function changeRevoked(file: string, change: (db: Db) => Promise<void>): Promise<void> {
  const { data } = loadControllerConfig(systemDisk, file);
  const store = await openStore({ dir: data, clock: systemClock, log: silentLog });
  await change(store.db).finally(() => store.close());
}

async function revokeUnit(file: string, { unit, reason, certificate }: RevokeOptions): Promise<void> {
  const serial = certificate === undefined ? undefined : serialIn(certificate);
  await changeRevoked(file, (db) => revoke(db, { unit, serial, reason, person: 'operator', utcMs: systemClock.utc() }));
  process.stdout.write(`${serial === undefined ? `every certificate of ${unit}` : `certificate ${serial} of ${unit}`} is revoked\n`);
}

async function readmitUnit(file: string, unit: string): Promise<void> {
  await changeRevoked(file, (db) => readmit(db, { unit, person: 'operator', utcMs: systemClock.utc() }));
  process.stdout.write(`${unit} may come again\n`);
}

async function act(what: () => Promise<void>): Promise<void> {
  try {
    await what();
  } catch (error) {
    sayFault('longroof-controller', error);
    process.exit(1);
  }
}

async function end(what: () => Promise<number>): Promise<void> {
  await act(async () => {
    process.exitCode = await what();
  });
}

const program = new Command('longroof-controller')
  .description('The centre of a fleet: takes in what wagons send, answers who asks.')
  .version(VERSION)
  .requiredOption('--config <file>', 'the YAML file of this controller')
  .option('--check', 'check the file and end')
  .addHelpText(
    'after',
    `\nExamples:\n  longroof-controller --config controller.yaml\n  ${PASSWORD_VARIABLE}=... longroof-controller --config controller.yaml add-person --name ada --role staff\n  longroof-controller --config controller.yaml backup /backup/monday\n  longroof-controller --config controller.yaml revoke --unit wagon-7 --reason stolen\n`,
  )
  .showHelpAfterError()
  .action(() => act(() => run(program.opts<GlobalOptions>())));

program
  .command('add-person')
  .description(`adds an account, or changes its password and role; the password comes from ${PASSWORD_VARIABLE}`)
  .requiredOption('--name <name>', 'lower-case letters, digits, dots, underscores or hyphens')
  .requiredOption('--role <role>', ROLES.join(' or '))
  .action((options: { name: string; role: string }) =>
    act(() => addPerson(program.opts<GlobalOptions>().config, options.name, options.role)),
  );

program
  .command('backup')
  .description('a consistent copy of database, footage and keys into an empty folder, while the controller runs; every file is checked')
  .argument('<folder>', 'where to; on the same file system footage takes no room twice')
  .option('--verify', 'only check a backup that is there')
  .action((folder: string, options: { verify?: boolean }) =>
    end(() => (options.verify ? checkBackup(folder) : backup(program.opts<GlobalOptions>().config, folder))),
  );

program
  .command('restore')
  .description('puts a backup in place; the controller must not run')
  .argument('<folder>', 'the backup')
  .option('--replace', 'move aside what is there')
  .action((folder: string, options: { replace?: boolean }) =>
    end(() => restore(program.opts<GlobalOptions>().config, folder, options.replace ?? false)),
  );

program
  .command('restored')
  .description('tells what came back after a restore, and every piece of footage that is lost')
  .option('--json', 'for programs')
  .option('--out <file>', 'into a file')
  .action((options: { json?: boolean; out?: string }) => end(() => restored(program.opts<GlobalOptions>().config, options)));

program
  .command('revoke')
  .description('takes nothing from a unit any more and cuts it off, within a minute')
  .requiredOption('--unit <id>', 'name of the unit')
  .requiredOption('--reason <text>', 'stands in the audit chain')
  .option('--certificate <file>', 'this unit.crt only, after the unit has another')
  .action((options: RevokeOptions) => act(() => revokeUnit(program.opts<GlobalOptions>().config, options)));

program
  .command('readmit')
  .description('lets a unit that was revoked come again; single certificates stay revoked')
  .requiredOption('--unit <id>', 'name of the unit')
  .action((options: { unit: string }) => act(() => readmitUnit(program.opts<GlobalOptions>().config, options.unit)));

await program.parseAsync();
