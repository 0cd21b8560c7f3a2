/**
 * Who may connect, publish and subscribe, as pure decisions: the client's name is the certificate's, a will stands on the unit's own
 * status, a unit speaks under its own name only and hears only what goes down to it.
 */
import { Fault } from '@longroof/base/errors';
import { isId } from '@longroof/base/ids';
import { parseTopic, type Up, unitPrefix, upTopic } from '@longroof/protocol/topics';
import type { Peer } from './tls.js';

export interface Connect {
  clientId: string;
  clean?: boolean | undefined;
  will?: { topic: string } | undefined;
}

/** The fault for which a connection is refused, or undefined. */
export function admit(peer: Peer, connect: Connect | undefined): Fault | undefined {
  if (!connect || !isId(connect.clientId) || connect.clientId !== peer.unit)
    return new Fault('denied', 'LR_CLIENT_ID', `a client id that is not the certificate's name, ${peer.unit}`);
  if (connect.clean !== true) return new Fault('denied', 'LR_CLEAN_SESSION', 'a connection that is no clean session');
  if (connect.will && connect.will.topic !== upTopic(peer.unit, 'status'))
    return new Fault('denied', 'LR_WILL', "a will that is not on the unit's own status");
  return undefined;
}

export function maySubscribe(unit: string, topic: string): boolean {
  const down = `${unitPrefix(unit)}/down/`;
  return topic === `${down}#` || ['ack', 'desired', 'receipt'].some((name) => topic === down + name);
}

export type TopicVerdict = { up: Up } | { live: string } | { fault: Fault; close: boolean };

/** A packet under another's name closes the connection; one that is merely not of the protocol is refused. */
export function readTopic(unit: string, packet: { topic: string; qos: number; retain: boolean }): TopicVerdict {
  const shown = packet.topic.slice(0, 120);
  if (packet.qos === 2) return { fault: new Fault('invalid', 'LR_QOS', 'QoS 2, which this protocol does not use'), close: true };
  const parsed = parseTopic(packet.topic);
  if (!packet.topic.startsWith(`${unitPrefix(unit)}/`))
    return { fault: new Fault('denied', 'LR_TOPIC', `a message under another's name: ${shown}`), close: true };
  if (parsed && 'live' in parsed && !packet.retain) return { live: parsed.live };
  if (!parsed || !('up' in parsed)) return { fault: new Fault('denied', 'LR_TOPIC', `no topic for a unit: ${shown}`), close: false };
  if (packet.retain && parsed.up !== 'status')
    return { fault: new Fault('denied', 'LR_RETAIN', `a retained message on ${parsed.up}`), close: false };
  return { up: parsed.up };
}
