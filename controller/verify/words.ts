/**
 * What an examination has shown, in words: what is proven, what is not, where footage is missing. Says no more than the records carry,
 * and always says what no such file can prove.
 */
import { sayAnswer } from './answer.js';
import type { CameraProof, Hole } from './binding.js';
import type { Examination, Finding } from './verify.js';

/** `partly`: nothing is false, but not everything that a proof should show is shown. */
export type Verdict = 'proven' | 'partly' | 'broken';

export interface Report {
  verdict: Verdict;
  unit: string | undefined;
  pullId: string | undefined;
  root: Examination['root'];
  faults: Finding[];
  proven: string[];
  notProven: string[];
  holes: string[];
  /** What holds for every file of this kind. */
  limits: string[];
  cameras: CameraProof[];
}

const LIMITS = [
  'That the clock of the unit was right: its time is what it believed, by the source and within the error that are named.',
  'That the picture shows the world: what stood in front of the lens is not examined.',
  'That the unit wrote what it recorded: whoever held its key could have written other records until they were sent. What the centre had received cannot have been changed later without the centre.',
  'What lies before the first and after the last fragment, and cameras that are not in this file.',
];

const COPY_LIMIT =
  'That a copy shows what its originals show: compare it with the originals. The record names them, and they can be asked for while the unit keeps them.';

export function report(found: Examination): Report {
  const { manifest, faults, cameras, journals } = found;
  const proven: string[] = [];
  const notProven: string[] = [];
  const holes: string[] = [];
  if (manifest && found.root && faults.length === 0) {
    const signedAt = time(manifest.export.utcMs);
    proven.push(`Not a byte of this file has changed since the centre signed it on ${signedAt} for ${manifest.export.person}.`);
    sayKeys(found, proven, notProven);
    sayCountersigned(found, proven, notProven);
    if (found.answer) proven.push(sayAnswer(found.answer));
    for (const camera of cameras) sayCamera(camera, proven, notProven, holes);
    if (cameras.length === 0) sayNone(found, proven, notProven);
    if (found.stored)
      proven.push(
        `The centre states that it had the first of these fragments on ${time(found.stored.firstUtcMs)}, the last on ${time(found.stored.lastUtcMs)}.`,
      );
    for (const { camera, cause, fromUtcMs, toUtcMs } of manifest.missing)
      holes.push(`${camera}: ${span(fromUtcMs, toUtcMs)} is missing; the unit's reason, as the centre has it: ${cause}.`);
    for (const journal of journals)
      if (journal.unsigned > 0)
        notProven.push(`The last ${journal.unsigned} records of the journal: no checkpoint of the unit stands behind them yet.`);
  }
  const verdict: Verdict = faults.length > 0 || !manifest ? 'broken' : notProven.length > 0 ? 'partly' : 'proven';
  return {
    verdict,
    unit: manifest?.unit,
    pullId: manifest?.pull.id,
    root: found.root,
    faults,
    proven,
    notProven,
    holes,
    limits: cameras.some((camera) => camera.rendition === 'derived') ? [...LIMITS, COPY_LIMIT] : LIMITS,
    cameras,
  };
}

function sayKeys({ manifest, journals, keysBound }: Examination, proven: string[], notProven: string[]): void {
  const records = journals.reduce((sum, journal) => sum + journal.records - journal.unsigned, 0);
  const checkpoints = journals.reduce((sum, journal) => sum + journal.checkpoints, 0);
  if (records > 0)
    proven.push(
      `${records} records of the unit's journal are one behind the other as it wrote them, under ${checkpoints} of its signatures.`,
    );
  else notProven.push('That any record of the unit is signed: there is none in this file.');
  if (keysBound === journals.length && keysBound > 0)
    proven.push(`The key of these signatures is that of ${manifest?.unit}: a certificate of the fleet binds it.`);
  else notProven.push(`That the key of these signatures is that of ${manifest?.unit}: its certificate is not in this file.`);
}

/** The centre's signature stands under a checkpoint and, by the hashes, under all records before it in its stretch. */
function sayCountersigned({ journals, countersigned }: Examination, proven: string[], notProven: string[]): void {
  let bare = 0;
  let lastUtcMs = Number.NEGATIVE_INFINITY;
  for (const { epoch, stretches } of journals)
    for (const { first, last } of stretches) {
      const end = countersigned.findLast((one) => one.epoch === epoch && one.seq >= first && one.seq <= last);
      if (end?.seq === last) lastUtcMs = Math.max(lastUtcMs, end.receivedUtcMs);
      else bare += 1;
    }
  if (Number.isFinite(lastUtcMs))
    proven.push(
      `The centre signed ${countersigned.length} checkpoints of these records when it received them, the last of each stretch by ${time(lastUtcMs)}: since then neither the unit nor the centre could change a record before them without the other.`,
    );
  if (bare > 0)
    notProven.push(
      `When the centre had received ${bare} stretches of the unit's records: its signature is not under the last checkpoint of them.`,
    );
}

function sayCamera(camera: CameraProof, proven: string[], notProven: string[], holes: string[]): void {
  const { bound, clock } = camera;
  const name = camera.rendition === 'original' ? camera.camera : `${camera.camera} (${camera.rendition})`;
  const named = bound.reel + bound.plan;
  if (camera.rendition === 'derived') sayCopy(camera, name, proven, notProven);
  if (named > 0) {
    const how = [
      bound.reel > 0 ? `${bound.reel} by the records made when they were ${camera.rendition === 'derived' ? 'made' : 'recorded'}` : '',
      bound.plan > 0 ? `${bound.plan} by the record made when they were asked for` : '',
    ].filter((text) => text !== '');
    proven.push(
      `${name}: ${named} fragments in ${camera.files.join(', ')} are byte for byte what the unit's signed records name: ${how.join(', ')}. The player shows all of them, in their order.`,
    );
  }
  if (bound.nothing > 0)
    notProven.push(
      `${name}: ${bound.nothing} of ${camera.fragments} fragments: none of the unit's signed records in this file names them.`,
    );
  const when = `${span(camera.fromUtcMs, camera.toUtcMs)}, clock by ${clock.sources.join(', ')}, within ${length(clock.errorMs)}`;
  if (clock.signed)
    proven.push(`${name}: the unit's signed claim of its time: ${when}. Inside a minute the time of a picture rests on its own metadata.`);
  else
    notProven.push(
      `${name}: its time. The fragments' own metadata say ${when}; for some of them no signed record says so too. A request of the same time, made some minutes after it, may bring one.`,
    );
  sayWhole(camera, name, proven, notProven);
  for (const hole of camera.holes) holes.push(`${name}: ${describe(hole)}`);
  if (camera.plannedAbsent > 0)
    notProven.push(`${name}: ${camera.plannedAbsent} fragments that the unit named for this pull are not in this file.`);
  if (camera.lostPackets > 0 || camera.damaged > 0)
    holes.push(`${name}: ${camera.lostPackets} packets never arrived from the camera; ${camera.damaged} fragments have damaged pictures.`);
}

/** What it is, before anything else is said of it. */
function sayCopy({ copy }: CameraProof, name: string, proven: string[], notProven: string[]): void {
  if (!copy) notProven.push(`${name}: from what this copy was made, and how: no signed record in this file says so.`);
  else
    proven.push(
      `${name}: a copy that the unit made of its own recording, at ${Math.round(copy.rateBps / 1000)} kbit/s${copy.audio ? '' : ', without sound'} (${copy.tool}). ` +
        `Its signed record ${copy.record} names the ${copy.originals} fragments (${copy.rendition}) that it was made from, by their hashes.`,
    );
}

function sayWhole(camera: CameraProof, name: string, proven: string[], notProven: string[]): void {
  const between = `${time(camera.fromUtcMs)} and ${time(camera.toUtcMs)}`;
  const leftOut = camera.holes.reduce((sum, hole) => sum + (hole.leftOut ?? 0), 0);
  if (leftOut > 0) notProven.push(`${name}: ${leftOut} fragments that were recorded between ${between} are not in this file.`);
  if (camera.holes.some((hole) => hole.leftOut === undefined))
    notProven.push(`${name}: that nothing was taken out between ${between}: the records that would show it are not all in this file.`);
  else if (leftOut === 0 && camera.bound.nothing === 0)
    proven.push(
      `${name}: nothing that was ${camera.rendition === 'derived' ? 'copied' : 'recorded'} between ${between} has been taken out.`,
    );
  for (const hole of camera.holes)
    if (hole.cause === undefined && hole.leftOut === 0)
      notProven.push(`${name}: why there is no footage ${span(hole.fromUtcMs, hole.toUtcMs)}: no signed record says so.`);
}

/** A pull that brought nothing. */
function sayNone({ journals, manifest }: Examination, proven: string[], notProven: string[]): void {
  const end = journals.map((journal) => journal.ended).find((ended) => ended !== undefined);
  if (end)
    proven.push(`This pull brought no footage. The unit's signed record ${end.seq} says: ${end.state}${end.code ? `, ${end.code}` : ''}.`);
  else notProven.push(`Why this pull (${manifest?.pull.id}) brought no footage: no signed record of the unit says so.`);
}

function describe({ fromUtcMs, toUtcMs, cause, leftOut }: Hole): string {
  const what = leftOut === undefined ? '' : leftOut > 0 ? `${leftOut} fragments left out, ` : '';
  return `${span(fromUtcMs, toUtcMs)}: ${what}${cause === undefined ? 'no cause on record' : `no footage: ${cause}`}.`;
}

function time(utcMs: number): string {
  const date = new Date(utcMs);
  return Number.isNaN(date.getTime()) ? `${utcMs} ms` : date.toISOString();
}

function span(fromUtcMs: number, toUtcMs: number): string {
  return `${time(fromUtcMs)} to ${time(toUtcMs)}`;
}

function length(ms: number): string {
  return ms < 10_000 ? `${Math.ceil(ms)} ms` : ms < 7_200_000 ? `${Math.ceil(ms / 1000)} s` : `${Math.ceil(ms / 3_600_000)} h`;
}

const HEADS: Readonly<Record<Verdict, string>> = {
  proven: 'PROVEN',
  partly: 'INTACT, BUT NOT ALL OF IT IS PROVEN',
  broken: 'BROKEN: do not rely on this file',
};

/** For people, in lines of a terminal. */
export function print(file: string, said: Report): string {
  const lines = [`${file}: ${HEADS[said.verdict]}`];
  if (said.unit) lines.push(`Footage of ${said.unit}, pull ${said.pullId}.`);
  const list = (title: string, items: readonly string[]): void => {
    if (items.length > 0) lines.push('', title, ...items.map((item) => `  - ${item}`));
  };
  list(
    'What is wrong',
    said.faults.map((fault) => `${fault.code}: ${fault.message}`),
  );
  list('Proven', said.proven);
  list('Not proven', said.notProven);
  list('Missing footage', said.holes);
  if (said.verdict !== 'broken') list('What no such file proves', said.limits);
  if (said.root)
    lines.push(
      '',
      said.root.given
        ? `Checked against the root certificate that was given (SHA-256 ${said.root.sha256}).`
        : `No --root was given: all of this holds only if the fleet's root certificate has the SHA-256 ${said.root.sha256}. Ask the fleet's operator.`,
    );
  return `${lines.join('\n')}\n`;
}
