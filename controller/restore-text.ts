/** The story of each restore in words, for a person: which units have been heard, and every piece of footage that is lost. */
import type { RestoreShape } from './fleet/shapes.js';

function unitLine(unit: RestoreShape['units'][number]): string {
  if (unit.state === 'awaited') return `  ${unit.unitId}: not heard since; last ${unit.lastSeen}. What it has let go of is not known yet`;
  if (unit.state === 'offering')
    return `  ${unit.unitId}: sends again; ${unit.receipted} fragments with a receipt from before are on its disk`;
  const refused = unit.refused ? `, ${unit.refused} refused` : '';
  return `  ${unit.unitId}: ${unit.stored} fragments (${unit.storedBytes} bytes) offered again and stored${refused}; nothing more comes`;
}

function lostLine(lost: RestoreShape['lost'][number]): string {
  const when = lost.from === null ? 'at a time that is not known' : `${lost.from} to ${lost.to}`;
  const bytes = lost.bytes === null ? '' : `, ${lost.bytes} bytes`;
  return `  ${lost.unitId} ${lost.camera} (${lost.quality}): ${when}; ${lost.fragments} fragments${bytes}; run ${lost.run}, ${lost.seqFirst} to ${lost.seqLast} of epoch ${lost.epoch}`;
}

export function restoreText(restores: readonly RestoreShape[]): string {
  if (restores.length === 0) return 'This store was never restored from a backup.\n';
  return restores
    .map((restore) => {
      const head = `Restored ${restore.restored} to what it was ${restore.backup}; store epoch ${restore.storeEpoch}`;
      const units = ['Units:', ...restore.units.map(unitLine)];
      const lost =
        restore.lostPieces === 0
          ? ['Lost: nothing, as far as the units above have been heard']
          : [
              `Lost: ${restore.lostPieces} pieces, ${restore.lostFragments} fragments; receipted after the backup, let go by the wagon:`,
              ...restore.lost.map(lostLine),
            ];
      return `${[head, ...units, ...lost].join('\n')}\n`;
    })
    .join('\n');
}
