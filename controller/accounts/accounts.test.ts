/** Accounts: passwords, guessing, view tokens, the audit chain. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SimClock } from '@longroof/base/clock-sim';
import { systemDisk } from '@longroof/base/disk';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { fuzzCases, seededRandom, testSeed } from '@longroof/base/random';
import t from 'tap';
import { firstAuditBreak } from '../store/audit.js';
import { openStore } from '../store/open.js';
import { AuditLog } from './audit-log.js';
import { LoginLimit } from './login-limit.js';
import { People } from './people.js';
import { openSecrets } from './secrets.js';
import { ViewTokens } from './view-tokens.js';

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'longroof-accounts-'));
t.teardown(() => fs.rmSync(dir, { recursive: true }));
const clock = new SimClock();

t.test('people', async (t) => {
  const { db, close } = await openStore({ dir: path.join(dir, 'people'), clock, log: silentLog });
  t.teardown(close);
  const people = new People(db, clock);
  t.match(await people.set('ada', 'correct horse', 'staff'), { name: 'ada', role: 'staff' });
  t.match(await people.check('ada', 'correct horse'), { name: 'ada', role: 'staff' });
  t.equal(await people.check('ada', 'wrong horse'), undefined);
  t.equal(await people.check('nobody', 'correct horse'), undefined);
  await people.set('ada', 'another horse', 'manager');
  t.equal(await people.check('ada', 'correct horse'), undefined, 'the password was changed');
  t.match(await people.get('ada'), { name: 'ada', role: 'manager' });
  const row = await db.selectFrom('person').selectAll().executeTakeFirstOrThrow();
  t.match(row.password_hash, /^\$argon2id\$/);
  await t.rejects(people.set('Ada L', 'correct horse', 'staff'), { code: 'LR_PERSON_NAME' });
  await t.rejects(people.set('ada', 'short', 'staff'), { code: 'LR_PERSON_PASSWORD' });
  await t.rejects(people.set('ada', 'correct horse', 'king'), { code: 'LR_PERSON_ROLE' });
});

t.test('guessing is slowed down, by name and by address', async (t) => {
  const limit = new LoginLimit(clock);
  const attempts = (address: string, name: (n: number) => string): number => {
    for (let n = 0; n < 1000; n++) {
      try {
        limit.attempt(address, name(n));
      } catch (error) {
        t.match(error, { code: 'LR_LOGIN_RATE', detail: { retryAfterS: Number } });
        return n;
      }
    }
    return 1000;
  };
  t.equal(
    attempts('10.0.0.1', () => 'ada'),
    8,
  );
  t.equal(
    attempts('10.0.0.2', () => 'ada'),
    0,
    'from elsewhere too',
  );
  t.equal(
    attempts('10.0.0.3', (n) => `guess-${n}`),
    24,
  );
  await clock.advance(60_000);
  t.equal(
    attempts('10.0.0.1', () => 'ada'),
    1,
    'one more a minute',
  );
  limit.succeeded('10.0.0.1', 'ada');
  t.ok(attempts('10.0.0.1', () => 'ada') > 5, 'a success forgets');
});

t.test('permissions to look', async (t) => {
  const file = path.join(dir, 'secret.key');
  const secrets = openSecrets(systemDisk, file);
  t.same(openSecrets(systemDisk, file), secrets, 'kept');
  t.notSame(secrets.sessionKey, secrets.viewKey);
  t.equal(fs.statSync(file).mode & 0o077, 0);
  const tokens = new ViewTokens(secrets.viewKey, clock);
  const { token, expiresUtcMs } = tokens.issue('p1', 'ada', 'دوچرخه');
  t.same(tokens.check(token, 'p1'), { pull: 'p1', person: 'ada', reason: 'دوچرخه', expiresUtcMs });
  t.throws(() => tokens.check(token, 'p2'), { code: 'LR_VIEW_TOKEN' });
  const random = seededRandom(testSeed());
  for (let n = 0; n < fuzzCases(1000); n++) {
    const changed = Buffer.from(token);
    changed[random.int(0, changed.length)] = random.int(33, 127);
    const text = random.int(0, 3) === 0 ? changed.subarray(0, random.int(0, changed.length)).toString() : changed.toString();
    if (text === token) continue;
    try {
      // The last character of a base64url group holds bits that say nothing: such a token is the same token.
      if (!Buffer.from(text.split('.')[1] ?? '', 'base64url').equals(Buffer.from(token.split('.')[1]!, 'base64url'))) {
        tokens.check(text, 'p1');
        t.fail(`accepted ${text}`);
      }
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'LR_VIEW_TOKEN') throw error;
    }
  }
  await clock.advance(600_000);
  t.throws(() => tokens.check(token, 'p1'), { code: 'LR_VIEW_EXPIRED' });
});

t.test('the audit chain', async (t) => {
  const { db, close } = await openStore({ dir: path.join(dir, 'audit'), clock, log: silentLog });
  const audit = new AuditLog(db, clock);
  const look = { person: 'ada', action: 'view', subject: 'pull:p1/front', reason: 'a stolen bicycle' };
  await Promise.all([audit.recordLook('s1', look), audit.recordLook('s1', look), audit.recordLook('s2', look)]);
  t.equal((await db.selectFrom('audit').selectAll().execute()).length, 2, 'a look that goes on is entered once');
  await clock.advance(600_000);
  await audit.recordLook('s1', look);
  t.equal((await db.selectFrom('audit').selectAll().execute()).length, 3);
  t.equal(await firstAuditBreak(db), undefined);
  await db.updateTable('audit').set({ reason: 'none' }).where('seq', '=', 1).execute();
  t.equal(await firstAuditBreak(db), 1, 'a changed entry is evident');
  await close();
  await t.rejects(audit.recordLook('s3', look));
  await t.rejects(audit.recordLook('s3', look), 'no look without an entry');
});
