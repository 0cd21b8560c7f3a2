/**
 * Who may look at a pull's footage: the person who asked for it, or another with a token for which he gave a reason. Whoever looks is
 * entered in the audit chain first.
 */
import { sha256Hex } from '@longroof/base/canonical';
import { Fault } from '@longroof/base/errors';
import type { FastifyRequest } from 'fastify';
import { may } from '../accounts/roles.js';
import type { PullInfo } from '../playback/footage.js';
import { requireRight } from './access.js';
import type { ApiParts } from './server.js';

export interface Wish {
  id: string;
  token: string | undefined;
  action: string;
  subject: string;
  /** Entered each time; otherwise a look that goes on is entered once in ten minutes. */
  eachTime?: boolean;
}

export interface Look {
  pull: PullInfo;
  person: string;
  reason: string;
}

/** Throws LR_SESSION, LR_ROLE, LR_PULL_UNKNOWN, LR_VIEW_*. */
export async function admit(parts: ApiParts, request: FastifyRequest, wish: Wish): Promise<Look> {
  const { id, token, action, subject, eachTime } = wish;
  const { audit, playback } = parts;
  const enter = (by: string, { pull, person, reason }: Look): Promise<void> => {
    const act = { person, action, subject, reason, ...(eachTime ? { detail: { unit: pull.unit } } : {}) };
    return eachTime ? audit.record(act) : audit.recordLook(by, act);
  };
  if (token !== undefined) {
    const look = await byToken(parts, id, token);
    await enter(sha256Hex(token), look);
    return look;
  }
  const { person, sessionId } = requireRight(request, 'view');
  const pull = await playback.pull(id);
  if (pull.person !== person.name) {
    await audit.recordLook(sessionId, { person: person.name, action: 'refused', subject, detail: { code: 'LR_VIEW_NEEDED' } });
    throw new Fault('denied', 'LR_VIEW_NEEDED', `this footage was asked for by ${pull.person}`, { hint: 'Give a reason first.' });
  }
  const look = { pull, person: person.name, reason: pull.reason };
  await enter(sessionId, look);
  return look;
}

/** A look at one camera's footage, by an address that names pull and camera. */
export async function lookAt(parts: ApiParts, request: FastifyRequest, action: string): Promise<PullInfo> {
  const { id, camera } = request.params as { id: string; camera: string };
  const { token } = request.query as { token?: string };
  return (await admit(parts, request, { id, token, action, subject: `pull:${id}/${camera}` })).pull;
}

async function byToken({ views, people, playback }: ApiParts, id: string, token: string): Promise<Look> {
  const view = views.check(token, id);
  const person = await people.get(view.person);
  if (!person || !may(person.role, 'view')) throw new Fault('denied', 'LR_ROLE', 'whoever this was granted to may not look any more');
  return { pull: await playback.pull(id), person: view.person, reason: view.reason };
}
