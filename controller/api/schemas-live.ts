/** What the API says of cameras that somebody watches, as JSON Schema; held to the shapes where `schemas.ts` holds the others. */
import { Type } from 'typebox';
import { closed, name, time } from './schemas-parts.js';

export const LiveRequest = closed({
  camera: name('the camera'),
  reason: Type.String({ maxLength: 500, description: 'why; stands in the audit chain' }),
});
export const Live = Type.Object({
  id: Type.String(),
  unitId: Type.String(),
  camera: Type.String(),
  person: Type.String(),
  reason: Type.String(),
  begun: time(),
  endsBy: time('at the latest'),
});
export const Lives = Type.Object({ looks: Type.Array(Live) });
export const LiveParams = closed({ id: Type.String({ pattern: '^[0-9a-f-]{36}$' }) });
export const LiveQuery = closed({ after: Type.Optional(Type.String({ pattern: '^\\d{1,12}$', description: 'number of the last piece' })) });
