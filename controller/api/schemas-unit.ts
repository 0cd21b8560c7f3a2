/** What the API says of a unit's alarms and configurations, as JSON Schema; held to the shapes where `schemas.ts` holds the others. */
import { Type } from 'typebox';
import { closed, name, nullable, oneOf, time } from './schemas-parts.js';

const reason = Type.String({ minLength: 3, maxLength: 500, description: 'why; stands in the audit chain' });
const ID = '^[A-Za-z0-9-]{1,64}$';

const alarm = {
  id: Type.String(),
  code: Type.String(),
  message: Type.String(),
  epoch: Type.String(),
  count: Type.Number(),
  first: time(),
  last: time(),
  closed: Type.Optional(Type.Object({ at: time(), person: Type.String(), reason: Type.String() })),
};
export const Alarm = Type.Object(alarm);
export const AlarmFacts = Type.Object({
  ...alarm,
  detail: Type.Record(Type.String(), Type.Unknown()),
  before: Type.Union([Type.String(), Type.Null()], { description: 'the stored record in front of the first of `records`' }),
  records: Type.Array(
    Type.Object({
      seq: Type.Number(),
      stored: nullable(Type.String()),
      other: Type.String(),
      received: time(),
      signed: Type.Boolean({ description: 'the key of the journal signed this one too' }),
    }),
  ),
});
export const Alarms = Type.Object({ alarms: Type.Array(AlarmFacts) });
export const AlarmParams = closed({ id: name('the unit'), alarm: Type.String({ pattern: ID }) });
export const CloseRequest = closed({ reason });

const CameraSettings = Type.Object({
  record: Type.Optional(Type.Boolean()),
  audio: Type.Optional(Type.Boolean()),
  engine: Type.Optional(oneOf('auto', 'own', 'ffmpeg')),
  stallMs: Type.Optional(Type.Number()),
});
const Settings = Type.Object({ cameras: Type.Record(Type.String(), CameraSettings) });
/** The settings are read by the protocol's own reader, which names what is wrong. */
export const ConfigurationRequestBody = closed({
  settings: Type.Object({}, { additionalProperties: true, description: 'docs/protocol.md, Configuration' }),
  reason,
});
export const Configuration = Type.Object({
  id: Type.String(),
  state: oneOf('queued', 'applied', 'refused', 'replaced'),
  settings: Settings,
  reason: Type.String(),
  person: Type.String(),
  asked: time(),
  answered: Type.Optional(time()),
  problem: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
});
export const Configurations = Type.Object({ configurations: Type.Array(Configuration) });
