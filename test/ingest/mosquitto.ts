/** A real mosquitto on loopback with the configuration that `longroof-provision mosquitto` writes. It ends with its owner's `stop`. */
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { systemClock } from '@longroof/base/clock';
import { systemDisk } from '@longroof/base/disk';
import { makeMosquitto } from '@longroof/provisioning/mosquitto';
import { type Program, startProgram } from '../peers/program.js';

export interface Mosquitto {
  program: Program;
  /** Where units connect. */
  port: number;
  /** Where controllers connect. */
  centrePort: number;
  conf: string;
}

/** One that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startMosquitto(dir: string, authority: string): Promise<Mosquitto> {
  const port = await freePort();
  const centrePort = await freePort();
  const request = { authority, names: ['127.0.0.1', 'localhost'], out: `${dir}/mosquitto`, port, centreHost: '127.0.0.1', centrePort };
  await makeMosquitto(request, systemDisk, systemClock.utc);
  const conf = `${dir}/mosquitto/mosquitto.conf`;
  // As root it would change to a user that may not read a test's folder.
  appendFileSync(conf, 'user root\n');
  return { program: await runMosquitto(conf), port, centrePort, conf };
}

export async function runMosquitto(conf: string): Promise<Program> {
  const program = startProgram('mosquitto', ['-c', conf], {
    env: { PATH: `${process.env['PATH']}:/usr/sbin:/usr/local/sbin` },
  });
  // A test whose time is up ends without its teardown.
  const end = (): void => void program.child.kill('SIGKILL');
  process.once('exit', end);
  void program.exited.then(() => process.removeListener('exit', end));
  await program.says(/mosquitto version \S+ running/);
  return program;
}
