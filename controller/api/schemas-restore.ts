/** What the API says of restores from a backup, as JSON Schema; held to the shapes where `schemas.ts` holds the others. */
import { Type } from 'typebox';
import { bytes, nullable, oneOf, time } from './schemas-parts.js';

export const Restore = Type.Object({
  storeEpoch: Type.String(),
  before: Type.String({ description: 'epoch of the store that was backed up' }),
  backup: time('when the backup was made'),
  restored: time(),
  units: Type.Array(
    Type.Object({
      unitId: Type.String(),
      state: oneOf('awaited', 'offering', 'offered'),
      lastSeen: time(),
      receipted: Type.Optional(Type.Number({ description: 'fragments on its disk with a receipt of the store before' })),
      offered: Type.Optional(time('when all of them had been answered')),
      stored: Type.Optional(Type.Number()),
      storedBytes: Type.Optional(bytes()),
      refused: Type.Optional(Type.Number()),
    }),
  ),
  lostPieces: Type.Number(),
  lostFragments: Type.Number(),
  lost: Type.Array(
    Type.Object({
      unitId: Type.String(),
      camera: Type.String(),
      quality: oneOf('original', 'proxy', 'derived', 'strip'),
      from: nullable(time()),
      to: nullable(time()),
      fragments: Type.Number(),
      bytes: nullable(bytes()),
      gone: oneOf('released', 'expired', 'lost'),
      epoch: Type.String(),
      run: Type.Number(),
      seqFirst: Type.Number(),
      seqLast: Type.Number(),
    }),
  ),
});
export const Restores = Type.Object({ restores: Type.Array(Restore) });
