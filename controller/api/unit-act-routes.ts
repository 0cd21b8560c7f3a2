/** What a person does about a unit: sees to its alarms, asks it to take on settings. Each act stands in the audit chain. */
import type { Json } from '@longroof/base/canonical';
import type { FastifyInstance } from 'fastify';
import type { Static } from 'typebox';
import { requireRight } from './access.js';
import { UnitParams } from './schemas.js';
import { Alarm, AlarmParams, Alarms, CloseRequest, Configuration, ConfigurationRequestBody, Configurations } from './schemas-unit.js';
import type { ApiParts } from './server.js';

type Unit = Static<typeof UnitParams>;

export function unitActRoutes(app: FastifyInstance, parts: ApiParts): void {
  alarmRoutes(app, parts);
  configurationRoutes(app, parts);
}

function alarmRoutes(app: FastifyInstance, { alarms, audit }: ApiParts): void {
  const tags = ['units'];
  app.get<{ Params: Unit }>(
    '/api/units/:id/alarms',
    {
      config: { access: 'fleet' },
      schema: { summary: "A unit's alarms, newest first, with both sides", tags, params: UnitParams, response: { 200: Alarms } },
    },
    async (request) => ({ alarms: await alarms.list(request.params.id) }),
  );
  app.post<{ Params: Static<typeof AlarmParams>; Body: Static<typeof CloseRequest> }>(
    '/api/units/:id/alarms/:alarm/close',
    {
      config: { access: 'operate' },
      schema: { summary: 'Somebody has seen to an alarm', tags, params: AlarmParams, body: CloseRequest, response: { 200: Alarm } },
    },
    async (request) => {
      const person = requireRight(request, 'operate').person.name;
      const { id, alarm } = request.params;
      const { reason } = request.body;
      const closed = await alarms.close(id, alarm, person, reason);
      await audit.record({ person, action: 'close-alarm', subject: id, reason: reason.trim(), detail: { alarm, code: closed.code } });
      return closed;
    },
  );
}

function configurationRoutes(app: FastifyInstance, { configurations, audit }: ApiParts): void {
  const tags = ['units'];
  app.get<{ Params: Unit }>(
    '/api/units/:id/configurations',
    {
      config: { access: 'fleet' },
      schema: {
        summary: 'Settings that the unit was asked to take on, newest first, and what it made of them',
        ...{ tags, params: UnitParams, response: { 200: Configurations } },
      },
    },
    async (request) => ({ configurations: await configurations.list(request.params.id) }),
  );
  app.post<{ Params: Unit; Body: Static<typeof ConfigurationRequestBody> }>(
    '/api/units/:id/configurations',
    {
      config: { access: 'operate' },
      schema: {
        summary: "Lay settings over the unit's own file, in place of those before",
        ...{ tags, params: UnitParams, body: ConfigurationRequestBody, response: { 201: Configuration } },
      },
    },
    async (request, reply) => {
      const person = requireRight(request, 'operate').person.name;
      const { id } = request.params;
      const { settings, reason } = request.body;
      const asked = await configurations.ask(person, { unitId: id, settings, reason });
      const detail = { configuration: asked.id, settings: asked.settings as unknown as Json };
      await audit.record({ person, action: 'configure', subject: id, reason: reason.trim(), detail });
      return reply.code(201).send(asked);
    },
  );
}
