/**
 * Who is at the other end of a TLS connection: the unit that its certificate names, and the journal key bound to it. Failed handshakes
 * become Faults with a code of their own, so that a wagon of another fleet or with an expired certificate can be told apart.
 */
import type { TLSSocket } from 'node:tls';
import { errorCode, Fault } from '@longroof/base/errors';
import { journalKeyIn, unitIn } from '@longroof/protocol/certificates';

export interface Peer {
  unit: string;
  journalKeySha256: string | undefined;
  /** Set for what came over TLS. */
  certificatePem?: string | undefined;
  /** Lower-case hex. */
  certificateSerial?: string | undefined;
}

/** Throws `denied` (LR_CERT_NAME) for a certificate that names no unit, and (LR_TLS_NO_CERTIFICATE) where there is none. */
export function readPeer(socket: TLSSocket): Peer {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) throw new Fault('denied', 'LR_TLS_NO_CERTIFICATE', 'a connection without a certificate');
  return {
    unit: unitIn(certificate),
    journalKeySha256: journalKeyIn(certificate.subjectAltName),
    certificatePem: certificate.toString(),
    certificateSerial: certificate.serialNumber.toLowerCase(),
  };
}

const FOREIGN = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_SIGNATURE_FAILURE',
]);

/** A failed handshake, by its OpenSSL name: that of the certificate's check where it failed, which Node leaves on the socket. */
export function tlsFault(error: unknown, socket: TLSSocket): Fault {
  const reason = String(socket.authorizationError ?? errorCode(error) ?? '');
  const make = (code: string, message: string): Fault => new Fault('denied', code, message, { cause: error, detail: { reason } });
  if (FOREIGN.has(reason)) return make('LR_TLS_FOREIGN', 'a certificate that is not of this fleet');
  if (reason === 'CERT_HAS_EXPIRED' || reason === 'CERT_NOT_YET_VALID')
    return make('LR_TLS_EXPIRED', 'a certificate outside the time it is valid for');
  if (reason === 'INVALID_PURPOSE') return make('LR_TLS_PURPOSE', 'a certificate that is not meant for a unit');
  if (reason === 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE') return make('LR_TLS_NO_CERTIFICATE', 'a connection without a certificate');
  return make('LR_TLS_HANDSHAKE', 'a TLS handshake that failed');
}
