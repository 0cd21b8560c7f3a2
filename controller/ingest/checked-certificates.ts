/**
 * Certificates that units show in hello, each checked against the fleet's root once: after a broker's restart a whole fleet comes at
 * once with certificates that are known. The time for which one holds is asked again each time.
 */
import type { UtcMs } from '@longroof/base/clock';
import { checkUnitCertificate, journalKeyIn } from '@longroof/protocol/certificates';
import { serialOf } from '../store/revocations.js';

/** Beyond this, those that were checked longest ago are forgotten. */
const KEPT_MAX = 10_000;

export interface CheckedCertificate {
  unit: string;
  pem: string;
  serial: string;
  journalKeySha256: string | undefined;
  fromUtcMs: UtcMs;
  toUtcMs: UtcMs;
}

export class CheckedCertificates {
  readonly #rootPem: string;
  readonly #kept = new Map<string, CheckedCertificate>();

  constructor(rootPem: string) {
    this.#rootPem = rootPem;
  }

  /** Throws `denied` (LR_HELLO_CERTIFICATE) where it does not make its holder `unit` at `utcMs`. */
  check(pem: string, unit: string, utcMs: UtcMs): CheckedCertificate {
    const known = this.#kept.get(pem);
    if (known?.unit === unit && known.fromUtcMs <= utcMs && utcMs <= known.toUtcMs) return known;
    const certificate = checkUnitCertificate(this.#rootPem, pem, unit, utcMs);
    const checked = {
      ...{ unit, pem: certificate.toString(), serial: serialOf(certificate), journalKeySha256: journalKeyIn(certificate.subjectAltName) },
      ...{ fromUtcMs: Date.parse(certificate.validFrom), toUtcMs: Date.parse(certificate.validTo) },
    };
    const [oldest] = this.#kept.keys();
    if (this.#kept.size >= KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(pem, checked);
    return checked;
  }
}
