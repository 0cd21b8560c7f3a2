/** `longroof-agent status`: asks the running agent and prints a page of its state. */
import { Fault } from '@longroof/base/errors';
import type { AgentStatus } from './status.js';

const ANSWER_MS = 5000;
const ANSWER_BYTES_MAX = 1024 * 1024;

/** Throws LR_STATUS_AGENT where no agent answers. */
export async function askStatus(port: number): Promise<AgentStatus> {
  const none = (why: string): Fault =>
    new Fault('unavailable', 'LR_STATUS_AGENT', `no agent answers on port ${port} of this machine: ${why}`, {
      hint: 'Is longroof-agent running (systemctl status longroof-agent), and is this its `metrics.port`?',
    });
  let answer: Response;
  try {
    answer = await fetch(`http://127.0.0.1:${port}/status`, { signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (error) {
    throw none(((error as Error).cause as Error | undefined)?.message ?? (error as Error).message);
  }
  if (answer.status === 503) throw none('it has started, and its spool is not open yet; /healthz says why');
  if (!answer.ok) throw none(`what answers there is no agent (${answer.status})`);
  try {
    const text = await answer.text();
    const status = JSON.parse(text.slice(0, ANSWER_BYTES_MAX)) as Partial<AgentStatus>;
    if (typeof status.unit === 'string' && status.clock && status.spool && status.streams) return status as AgentStatus;
  } catch (error) {
    throw none((error as Error).message);
  }
  throw none('what answers there is no agent');
}

export function statusText(status: AgentStatus): string {
  const { unit, version, run, ok, problems, events } = status;
  const lines: [string, string][] = [
    ['Unit', `${unit}, version ${version}, run ${run}: ${ok ? 'all is well' : 'NOT WELL'}`],
    ...problems.map((problem): [string, string] => ['', problem]),
    ['Power', powerText(status.power)],
    ['Cameras', camerasText(status.streams)],
    ['Spool', spoolText(status.spool)],
    ['Link', linkText(status.link)],
    ['Clock', clockText(status.clock)],
    ['GNSS', gnssText(status.gnss)],
    ['Events', `${events} since the start`],
  ];
  return `${lines.map(([name, text]) => `${name.padEnd(9)}${text}`).join('\n')}\n`;
}

function powerText(power: AgentStatus['power']): string {
  if (!power) return 'no board service is configured; it records for as long as there is power';
  return power.heard ? power.sentence : 'the board service does not answer; everything records';
}

/** Cameras of one state together. */
function camerasText(streams: AgentStatus['streams']): string {
  const byState = new Map<string, string[]>();
  for (const [name, { state, code }] of Object.entries(streams)) {
    const what = code ? `${state} (${code})` : state;
    byState.set(what, [...(byState.get(what) ?? []), name]);
  }
  return [...byState].map(([what, names]) => `${what}: ${names.sort().join(', ')}`).join('; ') || 'none are configured';
}

function spoolText({ state, usedBytes, quotaBytes, pendingFragments, daysLeft }: AgentStatus['spool']): string {
  const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const left = daysLeft === null ? 'days left are not known yet' : `${daysLeft.toFixed(1)} days left at this rate`;
  return `${state}, ${gb(usedBytes)} of ${gb(quotaBytes)} used, ${left}, ${pendingFragments} fragments without a receipt`;
}

function linkText(link: AgentStatus['link']): string {
  if (!link) return 'no centre is configured';
  const { connected, resting, problem, lastContact } = link;
  if (connected) return 'connected to the centre';
  const last = lastContact ? `last contact ${lastContact}` : 'no contact since the start';
  if (resting) return `rests to spare the battery, ${last}`;
  return `not connected, ${last}${problem ? `: ${problem.message} (${problem.code})` : ''}`;
}

function clockText({ utc, source, errorMs, keeper }: AgentStatus['clock']): string {
  if (source === 'none') return `${utc}, not set: nobody has told the time since the start`;
  const error = errorMs < 1000 ? `${errorMs} ms` : `${(errorMs / 1000).toFixed(1)} s`;
  return `${utc}, by ${source}, right within ${error}${keeper ? `; chrony follows ${keeper}` : ''}`;
}

function gnssText(gnss: AgentStatus['gnss']): string {
  if (!gnss) return 'no receiver is configured';
  const parts = [gnss.available ? 'positions come in' : 'NO POSITION'];
  if (gnss.fix) {
    const { latDeg, lonDeg, errorM, ageMs, heading } = gnss.fix;
    parts.push(
      `${latDeg.toFixed(5)}, ${lonDeg.toFixed(5)}${errorM === null ? '' : ` within ${errorM.toFixed(0)} m`}, ${(ageMs / 1000).toFixed(0)} s old`,
    );
    if (heading) parts.push(`heading ${heading.headingDeg.toFixed(0)}° ± ${heading.errorDeg.toFixed(0)}°`);
  }
  parts.push(`antenna ${gnss.antenna}`, `jamming ${gnss.jamming}`);
  if (gnss.jumps > 0) parts.push(`${gnss.jumps} impossible jumps`);
  return parts.join(', ');
}
