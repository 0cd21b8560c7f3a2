/** Signing in, seeing who is signed in, signing out. */
import { Fault } from '@longroof/base/errors';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';
import { LoginLimit } from '../accounts/login-limit.js';
import { type Doorkeeper, requireVisitor, shapeSession } from './access.js';
import { Session, SessionRequest } from './schemas.js';
import type { ApiParts } from './server.js';

export function sessionRoutes(app: FastifyInstance, parts: ApiParts, door: Doorkeeper): void {
  const { people, audit, clock } = parts;
  const limit = new LoginLimit(clock);
  const config = { access: 'public' as const };

  app.post<{ Body: Static<typeof SessionRequest> }>(
    '/api/session',
    { config, schema: { summary: 'Sign in', tags: ['session'], body: SessionRequest, response: { 200: Session } } },
    async (request) => {
      const { user, password } = request.body;
      limit.attempt(request.ip, user);
      const person = await people.check(user, password);
      const act = { subject: 'session', detail: { address: request.ip } };
      if (!person) {
        await audit.record({ ...act, person: user, action: 'refused', detail: { ...act.detail, code: 'LR_LOGIN' } });
        throw new Fault('denied', 'LR_LOGIN', 'name or password is wrong');
      }
      limit.succeeded(request.ip, user);
      await audit.record({ ...act, person: person.name, action: 'session' });
      return shapeSession(door.begin(request, person));
    },
  );

  app.get(
    '/api/session',
    { config, schema: { summary: 'Who is signed in', tags: ['session'], response: { 200: Session } } },
    async (request) => shapeSession(requireVisitor(request)),
  );

  app.delete(
    '/api/session',
    { config, schema: { summary: 'Sign out', tags: ['session'], response: { 204: Type.Null() } } },
    async (request, reply) => {
      const { visitor } = request;
      if (visitor) {
        door.end(request, visitor);
        await audit.record({ person: visitor.person.name, action: 'session', subject: 'session', detail: { ended: true } });
      }
      return reply.code(204).send();
    },
  );
}
