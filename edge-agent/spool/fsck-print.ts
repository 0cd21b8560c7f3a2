/** An fsck report for a person: the verdict first, then what is wrong, then what is merely worth knowing. */
import type { Finding, FsckReport } from './fsck.js';

const SHOWN_MAX = 20;

function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

function section(title: string, findings: readonly Finding[]): string[] {
  if (findings.length === 0) return [];
  const lines = ['', `${title} (${findings.length})`];
  for (const { what, where, detail } of findings.slice(0, SHOWN_MAX))
    lines.push(`  ${what.padEnd(18)} ${where}`, `  ${''.padEnd(18)} ${detail}`);
  if (findings.length > SHOWN_MAX) lines.push(`  and ${findings.length - SHOWN_MAX} more; --json has them`);
  return lines;
}

export function printReport(report: FsckReport): string {
  const { counts, damage, notes, more } = report;
  const total = damage.length;
  const verdict = total === 0 ? 'clean' : `${total}${more > 0 ? ' or more' : ''} ${total === 1 ? 'thing is' : 'things are'} damaged`;
  const lines = [
    `${report.path}: ${verdict}`,
    `  unit ${report.unit || '(unknown)'}, epoch ${report.epoch || '(unknown)'}`,
    `  footage   ${counts.fragments} fragments in ${counts.reels} reels of ${counts.streams} streams, ${bytesText(counts.bytes)}, all read`,
    `  journal   ${counts.records} records, ${counts.checkpoints} checkpoints, ${counts.countersigned} of them countersigned by the centre`,
    `  time      ${counts.gaps} gaps on record`,
    ...section('Damage', damage),
    ...section('Notes', notes),
  ];
  return `${lines.join('\n')}\n`;
}
