/**
 * Which network interface a connection goes by: the one that has the connection's own address, which the kernel chose by its routes.
 * And which address it would choose now, so that a connection can move when a better link has come up.
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Any will do: nothing is sent. */
const PORT = 9;

/** Of both ends of a connection, as the kernel tells them. */
export interface Ends {
  localAddress: string;
  remoteAddress: string;
}

const V4_IN_V6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** Without a zone (`%eth0`), and IPv4 as such. */
function plain(address: string): string {
  const bare = address.split('%')[0] ?? address;
  return V4_IN_V6.exec(bare)?.[1] ?? bare;
}

/** Interfaces that have the address: none where it is gone, more than one where the same network is joined twice. */
export function interfacesOf(address: string): string[] {
  const wanted = plain(address);
  return Object.entries(networkInterfaces()).flatMap(([name, has]) => (has?.some((one) => plain(one.address) === wanted) ? [name] : []));
}

/** The address by which the kernel would reach `remoteAddress` now; undefined where there is no way. A UDP socket is connected: no packet goes out. */
export function sourceTowards(remoteAddress: string): Promise<string | undefined> {
  const address = plain(remoteAddress);
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const end = (found: string | undefined): void => {
      socket.close();
      resolve(found);
    };
    socket.once('error', () => end(undefined));
    socket.connect(PORT, address, () => end(plain(socket.address().address)));
  });
}
