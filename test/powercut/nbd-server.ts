/**
 * A network block device (NBD protocol, fixed newstyle) on a Unix socket, for disks whose every write and flush a test wants to see.
 * One request after the other, in order of arrival; what is not offered (trim, resize, structured replies) is refused.
 * https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
 */
import { once } from 'node:events';
import net from 'node:net';

export interface BlockDevice {
  readonly sizeBytes: number;
  read(offset: number, length: number): Buffer;
  /** `durable`: it must survive a cut once this returns (FUA). */
  write(offset: number, data: Buffer, durable: boolean): void;
  flush(): void;
}

export interface NbdServer {
  readonly socket: string;
  close(): Promise<void>;
}

const OPTION = { exportName: 1, abort: 2, info: 6, go: 7 };
const OPTION_MAGIC = 0x49484156454f5054n;
const REPLY_MAGIC = 0x0003e889045565a9n;
const REPLY = { ack: 1, info: 3, unsupported: 2 ** 31 + 1 };
const REQUEST_MAGIC = 0x25609513;
const ANSWER_MAGIC = 0x67446698;
const COMMAND = { read: 0, write: 1, disconnect: 2, flush: 3 };
/** HAS_FLAGS, SEND_FLUSH, SEND_FUA */
const FLAGS = 1 | 4 | 8;
const EIO = 5;
const EINVAL = 22;
const LENGTH_MAX = 64 * 1024 * 1024;

export async function startNbdServer(socket: string, device: BlockDevice): Promise<NbdServer> {
  const peers = new Set<net.Socket>();
  const server = net.createServer((peer) => {
    peers.add(peer);
    peer.on('close', () => peers.delete(peer)).on('error', () => peer.destroy());
    const session = new Session(peer, device);
    peer.on('data', (chunk) => session.take(chunk));
  });
  server.listen(socket);
  await once(server, 'listening');
  return {
    socket,
    async close() {
      for (const peer of peers) peer.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

class Session {
  #waiting: Buffer[] = [];
  #length = 0;
  #phase: 'flags' | 'options' | 'requests' = 'flags';
  #noZeroes = false;
  readonly #peer: net.Socket;
  readonly #device: BlockDevice;

  constructor(peer: net.Socket, device: BlockDevice) {
    this.#peer = peer;
    this.#device = device;
    const hello = Buffer.alloc(18);
    hello.write('NBDMAGIC', 0, 'latin1');
    hello.writeBigUInt64BE(OPTION_MAGIC, 8);
    hello.writeUInt16BE(3, 16);
    peer.write(hello);
  }

  take(chunk: Buffer): void {
    this.#waiting.push(chunk);
    this.#length += chunk.length;
    while (this.#step());
  }

  /** The first `length` bytes, which stay; undefined until they are there. */
  #peek(length: number): Buffer | undefined {
    if (this.#length < length) return undefined;
    if ((this.#waiting[0] as Buffer).length < length) this.#waiting = [Buffer.concat(this.#waiting)];
    return (this.#waiting[0] as Buffer).subarray(0, length);
  }

  #drop(length: number): void {
    this.#waiting[0] = (this.#waiting[0] as Buffer).subarray(length);
    this.#length -= length;
  }

  #step(): boolean {
    if (this.#phase === 'flags') return this.#flags();
    return this.#phase === 'options' ? this.#option() : this.#request();
  }

  #flags(): boolean {
    const flags = this.#peek(4);
    if (!flags) return false;
    this.#noZeroes = (flags.readUInt32BE(0) & 2) !== 0;
    this.#phase = 'options';
    this.#drop(4);
    return true;
  }

  #export(): Buffer {
    const answer = Buffer.alloc(10);
    answer.writeBigUInt64BE(BigInt(this.#device.sizeBytes), 0);
    answer.writeUInt16BE(FLAGS, 8);
    return answer;
  }

  #option(): boolean {
    const head = this.#peek(16);
    if (!head) return false;
    const option = head.readUInt32BE(8);
    const length = head.readUInt32BE(12);
    if (head.readBigUInt64BE(0) !== OPTION_MAGIC || length > 65_536) {
      this.#peer.destroy();
      return false;
    }
    if (!this.#peek(16 + length)) return false;
    this.#drop(16 + length);
    if (option === OPTION.exportName) {
      this.#peer.write(Buffer.concat([this.#export(), Buffer.alloc(this.#noZeroes ? 0 : 124)]));
      this.#phase = 'requests';
    } else if (option === OPTION.go || option === OPTION.info) {
      this.#reply(option, REPLY.info, Buffer.concat([Buffer.alloc(2), this.#export()]));
      this.#reply(option, REPLY.ack);
      if (option === OPTION.go) this.#phase = 'requests';
    } else if (option === OPTION.abort) {
      this.#reply(option, REPLY.ack);
      this.#peer.end();
    } else this.#reply(option, REPLY.unsupported);
    return true;
  }

  #reply(option: number, type: number, data: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(20);
    head.writeBigUInt64BE(REPLY_MAGIC, 0);
    head.writeUInt32BE(option, 8);
    head.writeUInt32BE(type, 12);
    head.writeUInt32BE(data.length, 16);
    this.#peer.write(Buffer.concat([head, data]));
  }

  #request(): boolean {
    const head = this.#peek(28);
    if (!head) return false;
    const length = head.readUInt32BE(24);
    const command = head.readUInt16BE(6);
    if (head.readUInt32BE(0) !== REQUEST_MAGIC || length > LENGTH_MAX) {
      this.#peer.destroy();
      return false;
    }
    const whole = 28 + (command === COMMAND.write ? length : 0);
    const bytes = this.#peek(whole);
    if (!bytes) return false;
    this.#drop(whole);
    if (command === COMMAND.disconnect) {
      this.#peer.end();
      return false;
    }
    this.#answer(command, bytes, length);
    return true;
  }

  #answer(command: number, bytes: Buffer, length: number): void {
    const answer = Buffer.alloc(16);
    answer.writeUInt32BE(ANSWER_MAGIC, 0);
    bytes.copy(answer, 8, 8, 16);
    let data: Buffer | undefined;
    try {
      const offset = Number(bytes.readBigUInt64BE(16));
      if (offset + length > this.#device.sizeBytes) answer.writeUInt32BE(EINVAL, 4);
      else if (command === COMMAND.read) data = this.#device.read(offset, length);
      else if (command === COMMAND.write) this.#device.write(offset, Buffer.from(bytes.subarray(28)), (bytes.readUInt16BE(4) & 1) !== 0);
      else if (command === COMMAND.flush) this.#device.flush();
      else answer.writeUInt32BE(EINVAL, 4);
    } catch {
      answer.writeUInt32BE(EIO, 4);
    }
    this.#peer.write(data ? Buffer.concat([answer, data]) : answer);
  }
}
