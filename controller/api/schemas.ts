/** The API's messages as JSON Schema, held to the shapes by the compiler. Requests take no member that is not named here. */
import { type Static, Type } from 'typebox';
import { RATE_PATTERN } from '../fleet/rate.js';
import type { Live } from './schemas-live.js';
import { bytes, closed, name, nullable, oneOf, time } from './schemas-parts.js';
import type { Restore } from './schemas-restore.js';
import { Alarm, type AlarmFacts, Configuration } from './schemas-unit.js';
import type {
  AlarmFactsShape,
  ConfigurationShape,
  CoverageShape,
  HoldShape,
  LiveShape,
  ProblemShape,
  PullShape,
  ReceiptShape,
  RestoreShape,
  SessionShape,
  UnitShape,
} from './shapes.js';

export const SessionRequest = closed({
  user: Type.String({ minLength: 1, maxLength: 64 }),
  password: Type.String({ minLength: 1, maxLength: 256 }),
});
export const Session = Type.Object({ user: Type.String(), role: Type.String(), expires: time() });

const CameraState = oneOf('recording', 'connecting', 'refused', 'stalled', 'no-video', 'disk', 'stopped', 'unknown');
const Quality = oneOf('original', 'proxy');
const Asked = oneOf('original', 'proxy', 'strip');

const Power = Type.Object({
  mode: oneOf('driving', 'parked-watch', 'standby', 'shutdown', 'unknown'),
  reason: Type.String(),
  sentence: Type.String({ description: 'state and reason in one sentence' }),
  at: time(),
  supplyV: nullable(Type.Number()),
  left: nullable(Type.Object({ cameraHours: Type.Number(), errorCameraHours: Type.Number() })),
  nextContact: nullable(time()),
  shed: nullable(Type.Object({ proxies: Type.Boolean(), cameras: Type.Array(Type.String()) })),
});
export const Unit = Type.Object({
  id: Type.String(),
  online: Type.Boolean(),
  state: oneOf('recording', 'degraded', 'not-recording', 'offline', 'standby', 'off'),
  lastSeen: time(),
  version: nullable(Type.String()),
  epoch: nullable(Type.String()),
  cameras: Type.Array(
    Type.Object({ id: Type.String(), state: CameraState, code: Type.Optional(Type.String()), renditions: Type.Array(Quality) }),
  ),
  position: nullable(Type.Object({ latDeg: Type.Number(), lonDeg: Type.Number(), at: time() })),
  power: nullable(Power),
  journal: Type.Object({ next: Type.Number(), whole: Type.Boolean() }),
  refusals: Type.Array(Type.Object({ code: Type.String(), count: Type.Number(), last: time(), message: Type.String() })),
  link: Type.Optional(
    Type.Object(
      {
        interface: nullable(Type.String()),
        class: oneOf('metered', 'free'),
        budget: Type.Optional(
          Type.Object(
            { from: time(), until: time(), bytes: bytes(), spentBytes: bytes() },
            { description: 'of its metered links, a month' },
          ),
        ),
        waits: Type.Optional(Type.String({ description: 'a code: why footage that was asked for waits' })),
        urgentGoes: Type.Optional(Type.Boolean({ description: 'urgent requests go all the same' })),
      },
      { description: 'by what it is connected, where it tells its links apart' },
    ),
  ),
  alarms: Type.Array(Alarm, { description: 'those that nobody has seen to yet' }),
  configuration: nullable(Configuration),
});
export const Units = Type.Object({ units: Type.Array(Unit) });
export const UnitParams = closed({ id: name('the unit') });

const HOLD_STATES = ['queued', 'placed', 'refused', 'lifting', 'lifted'] as const;
const MarkedEvent = Type.Object({
  kind: oneOf('bookmark', 'panic', 'tamper', 'ignition', 'braking', 'speed'),
  at: time(),
  errorMs: Type.Number(),
  on: Type.Boolean(),
  value: Type.Optional(Type.Number({ description: 'm/s2 of a braking, m/s of a speed' })),
  hold: Type.Optional(Type.Object({ id: Type.String(), state: oneOf(...HOLD_STATES) })),
});

export const CoverageQuery = closed({ camera: Type.Optional(name('one camera; all where left out')), from: time(), to: time() });
export const Coverage = Type.Object({
  unit: Type.String(),
  from: time(),
  to: time(),
  cameras: Type.Array(
    Type.Object({
      camera: Type.String(),
      rendition: Quality,
      footage: Type.Array(
        Type.Object({
          from: time(),
          to: time(),
          where: oneOf('wagon', 'centre', 'wagon-and-centre', 'disposed', 'lost'),
          bytes: bytes(),
          clock: Type.Object({ source: Type.String(), errorMs: Type.Number() }),
        }),
      ),
      gaps: Type.Array(Type.Object({ from: time(), to: time(), cause: Type.String(), detail: Type.Optional(Type.String()) })),
    }),
  ),
  events: Type.Array(MarkedEvent, { description: 'events that protect footage' }),
});

export const UNITS_AT_ONCE_MAX = 64;

/** One unit by `unitId`, or many by `unitIds`. */
export const PullRequestBody = closed({
  unitId: Type.Optional(name('the unit')),
  unitIds: Type.Optional(Type.Array(name('a unit'), { minItems: 1, maxItems: UNITS_AT_ONCE_MAX, uniqueItems: true })),
  cameras: Type.Optional(Type.Array(name('a camera'), { minItems: 1, maxItems: 16, description: 'all where left out' })),
  from: time(),
  to: time(),
  quality: Asked,
  rate: Type.Optional(
    Type.String({ pattern: RATE_PATTERN, description: 'a copy of this rate, made on the wagon from `quality`, bits a second: `300k`' }),
  ),
  reason: Type.String({ maxLength: 500, description: 'why; stands in the audit chain' }),
  caseNumber: Type.Optional(Type.String({ maxLength: 100 })),
  urgent: Type.Optional(Type.Boolean({ description: 'before all requests to the same wagon that are not' })),
});
export const CancelRequest = closed({
  reason: Type.String({ minLength: 3, maxLength: 500, description: 'why; stands in the audit chain' }),
});
const MadeFrom = Type.Object({
  rendition: Quality,
  run: Type.Number(),
  seqFirst: Type.Number(),
  seqLast: Type.Number(),
  root: Type.String(),
});
const Span = { camera: Type.String(), from: time(), to: time() };
export const Pull = Type.Object({
  id: Type.String(),
  unitId: Type.String(),
  cameras: Type.Array(Type.String()),
  from: time(),
  to: time(),
  quality: Asked,
  rate: Type.Optional(Type.String({ description: 'a copy of this rate was asked for' })),
  derived: Type.Optional(
    Type.Object(
      { rateBps: Type.Number(), tool: Type.String(), heightMax: Type.Number(), keyMs: Type.Number(), audio: Type.Boolean() },
      { description: 'what comes home is a copy made on the wagon, in this way' },
    ),
  ),
  reason: Type.String(),
  caseNumber: Type.Optional(Type.String()),
  person: Type.String(),
  urgent: Type.Boolean(),
  state: oneOf('queued', 'waiting', 'running', 'done', 'failed', 'cancelled'),
  waitingSince: Type.Optional(time('with `waiting`: since when the wagon is away')),
  waitingFor: Type.Optional(
    Type.Object(
      { code: Type.String(), until: Type.Optional(time()) },
      { description: 'with `waiting`, while the wagon is reached: why it sends nothing of it over its link of now' },
    ),
  ),
  problem: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
  created: time(),
  ended: Type.Optional(time()),
  bytesDone: bytes(),
  bytesTotal: nullable(bytes()),
  bytesPerS: Type.Optional(bytes()),
  secondsLeft: Type.Optional(Type.Number()),
  parts: Type.Array(
    Type.Object({
      ...Span,
      bytesDone: bytes(),
      bytesTotal: bytes(),
      codec: nullable(Type.String()),
      mp4Parts: Type.Number(),
      madeFrom: Type.Optional(Type.Array(MadeFrom, { description: 'of a copy: its originals, with the Merkle root of their SHA-256' })),
    }),
  ),
  missing: Type.Array(Type.Object({ ...Span, cause: Type.String() })),
});
export const Receipt = Type.Object({
  statement: Type.Record(Type.String(), Type.Unknown(), { description: 'longroof-answer-1, see docs/verification.md' }),
  keyId: Type.String(),
  signature: Type.String(),
  certificate: Type.String(),
});
export const Pulls = Type.Object({ pulls: Type.Array(Pull) });
/** For `unitIds`: what was asked for, and which units could not be asked and why. */
export const ManyPulls = Type.Object({
  pulls: Type.Array(Pull),
  refused: Type.Array(Type.Object({ unitId: Type.String(), code: Type.String(), detail: Type.String(), receipt: Receipt })),
});
export const PullParams = closed({ id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }) });

export const ViewRequest = closed({ reason: Type.String({ maxLength: 500, description: 'why; stands in the audit chain' }) });
export const ViewGrant = Type.Object({
  token: Type.String({ description: 'goes behind addresses of footage: ?token=...' }),
  expires: time(),
});

export const CameraParams = closed({ id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }), camera: name('the camera') });
export const SegmentParams = closed({
  id: Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' }),
  camera: name('the camera'),
  name: Type.String({ maxLength: 128 }),
});
const token = Type.Optional(Type.String({ maxLength: 4096, description: 'from POST /api/pulls/{id}/views' }));
export const ViewQuery = closed({ token });
export const FileQuery = closed({
  token,
  part: Type.Optional(Type.String({ pattern: '^\\d{1,6}$', description: 'which of several files, from 0' })),
});

export const Strips = Type.Object({ strips: Type.Array(Type.Object({ name: Type.String(), from: time(), to: time() })) });

export const HoldRequestBody = closed({
  unitId: name('the unit'),
  cameras: Type.Optional(Type.Array(name('a camera'), { minItems: 1, maxItems: 16, description: 'all where left out' })),
  from: time(),
  to: time(),
  owner: Type.String({ minLength: 1, maxLength: 200, description: 'who answers for it' }),
  review: time('when it is looked at again; within a year'),
  made: Type.Optional(Type.Boolean({ description: 'also copies and strips that the wagon made' })),
  reason: Type.String({ minLength: 3, maxLength: 500, description: 'why; stands in the audit chain' }),
});
export const Hold = Type.Object({
  id: Type.String(),
  unitId: Type.String(),
  cameras: Type.Array(Type.String()),
  from: time(),
  to: time(),
  owner: Type.String(),
  review: time(),
  reviewDue: Type.Boolean(),
  made: Type.Boolean(),
  reason: Type.String(),
  person: Type.String(),
  state: oneOf('queued', 'placed', 'refused', 'lifting', 'lifted'),
  bytes: nullable(bytes()),
  problem: Type.Optional(Type.String()),
  created: time(),
  ended: Type.Optional(time()),
});
export const Holds = Type.Object({ holds: Type.Array(Hold) });

export const Health = Type.Object({ status: oneOf('ok', 'failing'), failing: Type.Array(Type.String()) });

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Number(),
    code: Type.String({ description: 'stable, see docs/errors.md' }),
    detail: Type.Optional(Type.String()),
    errors: Type.Optional(Type.Array(Type.Object({ path: Type.String(), message: Type.String() }))),
    receipt: Type.Optional(Receipt),
  },
  { description: 'RFC 9457, application/problem+json' },
);

/** Compiles only where schema and shape say the same. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
export const HELD: [
  Same<Static<typeof Session>, SessionShape>,
  Same<Static<typeof Unit>, UnitShape>,
  Same<Static<typeof Coverage>, CoverageShape>,
  Same<Static<typeof Pull>, PullShape>,
  Same<Static<typeof Restore>, RestoreShape>,
  Same<Static<typeof Receipt>, ReceiptShape>,
  Same<Static<typeof Hold>, HoldShape>,
  Same<Static<typeof Live>, LiveShape>,
  Same<Static<typeof Problem>, ProblemShape>,
  Same<Static<typeof AlarmFacts>, AlarmFactsShape>,
  Same<Static<typeof Configuration>, ConfigurationShape>,
] = [true, true, true, true, true, true, true, true, true, true, true];
