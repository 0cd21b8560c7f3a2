/**
 * The configuration of a mosquitto that stands between units and controllers, with its certificates. What the protocol needs of any
 * broker is said in it: who a client is follows from its certificate alone, and a unit reaches its own topics only.
 */
import path from 'node:path';
import type { UtcMs } from '@longroof/base/clock';
import { type Disk, writeDurably } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { openAuthority } from '@longroof/protocol/authority';
import { CENTRE_NAME } from '@longroof/protocol/certificates';
import { UP } from '@longroof/protocol/topics';

export interface MosquittoRequest {
  authority: string;
  /** DNS names and addresses by which units and controllers reach it. */
  names: readonly string[];
  out: string;
  /** Where units connect. */
  port: number;
  /** Where controllers connect; a network that units do not reach. */
  centreHost: string;
  centrePort: number;
}

/** As the embedded broker takes. */
const PACKET_BYTES_MAX = 160 * 1024;
const MEMORY_BYTES_MAX = 1024 ** 3;

export function accessList(): string {
  return [
    '# The centre, by the name in its certificate.',
    `user ${CENTRE_NAME}`,
    'topic read lr/1/+/+/+',
    'topic read lr/1/+/+/live/+',
    'topic write lr/1/+/+/down/+',
    '',
    '# Every unit: %u is the name in its certificate. The centre checks the part before it.',
    ...UP.map((up) => `pattern write lr/1/+/%u/${up}`),
    'pattern write lr/1/+/%u/live/+',
    'pattern read lr/1/+/%u/down/+',
    '',
  ].join('\n');
}

export function configuration({ out, port, centreHost, centrePort }: MosquittoRequest): string {
  const file = (name: string): string => path.join(out, name);
  const tls = [
    `cafile ${file('ca.crt')}`,
    `certfile ${file('broker.crt')}`,
    `keyfile ${file('broker.key')}`,
    'tls_version tlsv1.2',
    'require_certificate true',
    'use_identity_as_username true',
  ];
  return [
    'per_listener_settings false',
    'allow_anonymous false',
    `acl_file ${file('longroof.acl')}`,
    '# Nothing that matters lives in the broker: units send again what was not receipted.',
    'persistence false',
    '# Without a limit here messages of QoS 0 cannot overtake those of QoS 1: a chunk must not come before its manifest.',
    'max_inflight_messages 0',
    '# At its default of 1000 whatever comes when so many packets wait for a client is dropped without a word, acknowledgements too.',
    'max_queued_messages 100000',
    '# Units bound what they have under way; this bounds those that do not.',
    `max_packet_size ${PACKET_BYTES_MAX}`,
    `memory_limit ${MEMORY_BYTES_MAX}`,
    'set_tcp_nodelay true',
    '',
    '# Units. The client id is the name in the certificate, so that none can end the connection of another.',
    `listener ${port}`,
    ...tls,
    'use_username_as_clientid true',
    '',
    '# Controllers: they choose their client id, also to end the connection of a unit. Keep it from where units are.',
    `listener ${centrePort} ${centreHost}`,
    ...tls,
    '',
  ].join('\n');
}

/** Throws `conflict` (LR_ENROL_EXISTS) where a key is already. */
export async function makeMosquitto(request: MosquittoRequest, disk: Disk, now: () => UtcMs): Promise<string[]> {
  const out = path.resolve(request.out);
  const file = (name: string): string => path.join(out, name);
  if (disk.stat(file('broker.key')))
    throw new Fault('conflict', 'LR_ENROL_EXISTS', `${out} holds an identity already`, {
      hint: 'Choose an empty folder; an identity is never overwritten.',
    });
  const authority = await openAuthority(request.authority, disk, now);
  const server = await authority.issueServer(request.names);
  disk.makeDirectory(out);
  const contents: [string, string][] = [
    ['mosquitto.conf', configuration({ ...request, out })],
    ['longroof.acl', accessList()],
    ['ca.crt', authority.rootPem],
    ['broker.crt', server.certificatePem],
    ['broker.key', server.keyPem],
  ];
  for (const [name, content] of contents) writeDurably(disk, file(name), content);
  return contents.map(([name]) => file(name));
}
