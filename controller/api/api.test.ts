import type { LightMyRequestResponse } from 'fastify';
import t from 'tap';
import { People } from '../accounts/people.js';
import { firstAuditBreak } from '../store/audit.js';
import type { PullShape } from './shapes.js';

import { clock, EPOCH, footage, iso, type Rig, rig, T0 } from './test-rig.js';

const wanted = { unitId: 'wagon-1', cameras: ['front'], from: iso(0), to: iso(4), quality: 'proxy', reason: 'a stolen bicycle' };

/** Asks for the footage, and plans and ends the pull as the unit's journal would. */
async function pullDone({ store }: Rig, ada: Awaited<ReturnType<Rig['as']>>): Promise<string> {
  const answer = await ada({ method: 'POST', url: '/api/pulls', payload: wanted });
  const { id } = answer.json<PullShape>();
  const part = {
    pull: id,
    ordinal: 0,
    camera: 'front',
    rendition: 'proxy' as const,
    epoch: EPOCH,
    run: 1,
    seq_first: 0,
    seq_last: 3,
    bytes: 1,
  };
  await store.db.insertInto('pull_part').values(part).execute();
  await store.db.updateTable('pull').set({ state: 'done', ended_utc_ms: T0 }).where('id', '=', id).execute();
  return id;
}

function isProblem(t: Pick<typeof import('tap').t, 'equal' | 'match'>, answer: LightMyRequestResponse, status: number, code: string): void {
  t.equal(answer.statusCode, status, code);
  t.match(answer.headers['content-type'], /^application\/problem\+json/);
  t.match(answer.json(), { type: `urn:longroof:error:${code}`, status, code, title: String });
}

t.test('sign-in', async (t) => {
  const { app, store, as } = await rig('session');
  const wrong = await app.inject({ method: 'POST', url: '/api/session', payload: { user: 'ada', password: 'guess' } });
  isProblem(t, wrong, 401, 'LR_LOGIN');
  isProblem(t, await app.inject('/api/session'), 401, 'LR_SESSION');
  isProblem(t, await app.inject('/api/units'), 401, 'LR_SESSION');
  const right = await app.inject({ method: 'POST', url: '/api/session', payload: { user: 'ada', password: 'ada has a horse' } });
  t.same(right.json(), { user: 'ada', role: 'staff', expires: new Date(clock.utc() + 8 * 3_600_000).toISOString() });
  const cookie = String(right.headers['set-cookie']);
  t.match(cookie, /^longroof=/);
  t.match(cookie, /HttpOnly/);
  t.match(cookie, /SameSite=Strict/);
  const ada = await as('ada');
  t.equal((await ada('/api/session')).json().user, 'ada');
  t.equal((await ada({ method: 'DELETE', url: '/api/session' })).statusCode, 204);
  isProblem(t, await ada('/api/session'), 401, 'LR_SESSION');
  const ben = await as('ben');
  await new People(store.db, clock).set('ben', 'another horse', 'staff');
  isProblem(t, await ben('/api/session'), 401, 'LR_SESSION');
  for (let n = 0; n < 8; n++) await app.inject({ method: 'POST', url: '/api/session', payload: { user: 'eve', password: 'guess' } });
  const slowed = await app.inject({ method: 'POST', url: '/api/session', payload: { user: 'eve', password: 'guess' } });
  isProblem(t, slowed, 429, 'LR_LOGIN_RATE');
  t.equal(slowed.headers['retry-after'], '60');
  const acts = await store.db.selectFrom('audit').select(['person', 'action']).orderBy('seq').execute();
  t.same(acts.slice(0, 2), [
    { person: 'ada', action: 'refused' },
    { person: 'ada', action: 'session' },
  ]);
});

t.test('what is refused before it is read', async (t) => {
  const { app, as } = await rig('refused');
  const ada = await as('ada');
  const post = (payload: unknown, headers = {}) => ada({ method: 'POST', url: '/api/pulls', payload: payload as object, headers });
  isProblem(t, await post({ ...wanted, colour: 'red' }), 400, 'LR_REQUEST');
  const answer = await post({ ...wanted, cameras: [], quality: 'best' });
  t.same(
    answer.json().errors.map((one: { path: string }) => one.path),
    ['body/cameras', 'body/quality'],
  );
  isProblem(t, await post(wanted, { origin: 'https://evil.example' }), 403, 'LR_CROSS_SITE');
  isProblem(t, await post(wanted, { 'sec-fetch-site': 'cross-site' }), 403, 'LR_CROSS_SITE');
  isProblem(
    t,
    await ada({ method: 'POST', url: '/api/pulls', payload: 'x', headers: { 'content-type': 'text/plain' } }),
    415,
    'LR_MEDIA_TYPE',
  );
  isProblem(
    t,
    await ada({ method: 'POST', url: '/api/pulls', payload: '{', headers: { 'content-type': 'application/json' } }),
    400,
    'LR_REQUEST',
  );
  isProblem(t, await post({ ...wanted, reason: 'x'.repeat(70_000) }), 413, 'LR_BODY_SIZE');
  isProblem(t, await ada('/api/nothing'), 404, 'LR_NOT_FOUND');
  isProblem(t, await ada('/api/units/wagon-2'), 404, 'LR_UNIT_UNKNOWN');
  isProblem(t, await ada('/api/units/Wagon_2'), 400, 'LR_REQUEST');
  isProblem(t, await ada(`/api/units/wagon-1/coverage?from=${iso(0)}&to=yesterday-or-so-then`), 400, 'LR_COVERAGE_SPAN');
  isProblem(t, await post({ ...wanted, reason: ' ' }), 400, 'LR_PULL_REASON');
  isProblem(t, await post({ ...wanted, unitId: 'wagon-2' }), 404, 'LR_UNIT_UNKNOWN');
  isProblem(t, await post({ ...wanted, unitIds: ['wagon-1'] }), 400, 'LR_PULL_UNITS');
  isProblem(t, await ada('/api/pulls/none'), 404, 'LR_PULL_UNKNOWN');
  const max = await as('max');
  isProblem(t, await max({ method: 'POST', url: '/api/pulls', payload: wanted }), 403, 'LR_ROLE');
  t.equal((await max('/api/units')).statusCode, 200);
  t.equal((await app.inject('/healthz')).json().status, 'ok');
  const metrics = (await app.inject('/metrics')).body;
  for (const line of ['ingest_chunks_in_total 7', 'broker_connected 1', 'refused_total{code="LR_CHUNK"} 3'])
    t.ok(metrics.includes(`longroof_${line}\n`), line);
});

t.test('units, coverage, pulls', async (t) => {
  const rigged = await rig('pulls');
  const ada = await rigged.as('ada');
  t.match((await ada('/api/units')).json(), { units: [{ id: 'wagon-1', state: 'recording' }] });
  t.match((await ada('/api/units/wagon-1')).json(), { cameras: [{ id: 'front', renditions: ['original', 'proxy'] }] });
  const coverage = await ada(`/api/units/wagon-1/coverage?camera=front&from=${iso(0)}&to=${iso(60)}`);
  t.match(coverage.json().cameras[1], {
    rendition: 'proxy',
    footage: [{ from: iso(0), to: iso(4), where: 'centre' }],
    gaps: [{ from: iso(4), to: iso(60), cause: 'not-yet-reported' }],
  });
  const created = await ada({ method: 'POST', url: '/api/pulls', payload: { ...wanted, caseNumber: '2026-7' } });
  t.equal(created.statusCode, 201);
  const pull = created.json<PullShape>();
  t.match(pull, {
    ...wanted,
    caseNumber: '2026-7',
    person: 'ada',
    state: 'queued',
    bytesDone: 0,
    bytesTotal: null,
    parts: [],
    missing: [],
  });
  t.equal(created.headers['location'], `/api/pulls/${pull.id}`);
  t.same((await ada(`/api/pulls/${pull.id}`)).json(), pull);
  t.same((await ada('/api/pulls')).json(), { pulls: [pull] });
  const { unitId: _, cameras: __, ...rest } = wanted;
  const many = await ada({ method: 'POST', url: '/api/pulls', payload: { ...rest, unitIds: ['wagon-1', 'wagon-9'], urgent: true } });
  const refused = { unitId: 'wagon-9', code: 'LR_UNIT_UNKNOWN', receipt: { statement: { answer: 'refused', unit: 'wagon-9' } } };
  t.match(many.json(), { pulls: [{ unitId: 'wagon-1', cameras: ['front'], urgent: true }], refused: [refused] });
  const long = { ...rest, from: iso(-5 * 3600), rate: '300k', unitIds: ['wagon-1'] };
  const tooMuch = { code: 'LR_PULL_RATE_SPAN', receipt: { statement: { rate: '300k' } } };
  t.match((await ada({ method: 'POST', url: '/api/pulls', payload: long })).json(), { pulls: [], refused: [tooMuch] });
  isProblem(t, await ada(`/api/pulls/${pull.id}/receipt`), 409, 'LR_PULL_UNFINISHED');
  const cancel = { method: 'POST', url: `/api/pulls/${pull.id}/cancel`, payload: { reason: 'found it' } } as const;
  isProblem(t, await (await rigged.as('max'))(cancel), 403, 'LR_ROLE');
  t.match((await ada(cancel)).json(), { id: pull.id, state: 'cancelled' });
  isProblem(t, await ada(cancel), 409, 'LR_PULL_ENDED');
  t.match((await ada(`/api/pulls/${pull.id}/receipt`)).json(), { statement: { answer: 'cancelled', person: 'ada' } });
  const entry = await rigged.store.db.selectFrom('audit').selectAll().where('action', '=', 'pull').executeTakeFirstOrThrow();
  t.match(entry, { person: 'ada', subject: `pull:${pull.id}`, reason: 'a stolen bicycle' });
});

t.test('footage: who may look, and every look is entered', async (t) => {
  const rigged = await rig('footage');
  const { app, store } = rigged;
  const ada = await rigged.as('ada');
  const ben = await rigged.as('ben');
  const id = await pullDone(rigged, ada);
  const base = `/api/pulls/${id}/front`;
  isProblem(t, await app.inject(`${base}/playlist.m3u8`), 401, 'LR_SESSION');
  isProblem(t, await ben(`${base}/playlist.m3u8`), 403, 'LR_VIEW_NEEDED');
  isProblem(t, await ben(`${base}.mp4`), 403, 'LR_VIEW_NEEDED');
  isProblem(t, await (await rigged.as('max'))(`${base}.mp4`), 403, 'LR_ROLE');

  const playlist = (await ada(`${base}/playlist.m3u8`)).body;
  const names = playlist.split('\n').filter((line) => line.startsWith('s-'));
  t.equal(names.length, 2);
  const segment = await ada(`${base}/${names[0]}`);
  t.same(segment.rawPayload, Buffer.concat([footage.fragments[0]!.bytes, footage.fragments[1]!.bytes]));
  const init = /URI="(.*)"/.exec(playlist)?.[1];
  t.same((await ada(`${base}/${init}`)).rawPayload, footage.init);
  isProblem(t, await ada(`${base}/s-${EPOCH}-1-0-9.m4s`), 404, 'LR_SEGMENT_UNKNOWN');
  isProblem(t, await ada(`/api/pulls/${id}/rear/playlist.m3u8`), 404, 'LR_FOOTAGE_NONE');

  isProblem(t, await ben({ method: 'POST', url: `/api/pulls/${id}/views`, payload: { reason: '  ' } }), 400, 'LR_VIEW_REASON');
  const grant = (await ben({ method: 'POST', url: `/api/pulls/${id}/views`, payload: { reason: 'second pair of eyes' } })).json();
  const query = `?token=${grant.token}`;
  t.equal((await app.inject(`${base}.mp4${query}`)).statusCode, 200, 'a token needs no session');
  const granted = (await ben(`${base}/playlist.m3u8${query}`)).body;
  t.ok(granted.includes(`.m4s${query}`), 'segments carry the token on');
  isProblem(t, await app.inject(`${base}.mp4?token=nonsense`), 403, 'LR_VIEW_TOKEN');
  const other = await pullDone(rigged, ada);
  isProblem(t, await app.inject(`/api/pulls/${other}/front.mp4${query}`), 403, 'LR_VIEW_TOKEN');
  await clock.advance(600_000);
  isProblem(t, await app.inject(`${base}.mp4${query}`), 403, 'LR_VIEW_EXPIRED');

  const acts = await store.db
    .selectFrom('audit')
    .select(['person', 'action', 'subject', 'reason'])
    .where('subject', 'like', `pull:${id}%`)
    .execute();
  t.same(
    acts.map((act) => `${act.person} ${act.action} ${act.subject.slice(5 + id.length)} ${act.reason ?? ''}`.trim()),
    [
      'ada pull  a stolen bicycle',
      'ben refused /front',
      'ada view /front a stolen bicycle',
      'ada view /rear a stolen bicycle',
      'ben view  second pair of eyes',
      'ben view-file /front second pair of eyes',
      'ben view /front second pair of eyes',
    ],
  );
  t.equal(await firstAuditBreak(store.db), undefined);
});

t.test('the MP4 file: ranges and tags', async (t) => {
  const rigged = await rig('ranges');
  const ada = await rigged.as('ada');
  const url = `/api/pulls/${await pullDone(rigged, ada)}/front.mp4`;
  const whole = await ada(url);
  const bytes = whole.rawPayload;
  const etag = String(whole.headers['etag']);
  t.equal(Number(whole.headers['content-length']), bytes.length);
  t.equal(whole.headers['content-type'], 'video/mp4');
  const get = (headers: Record<string, string>, method: 'GET' | 'HEAD' = 'GET') => ada({ method, url, headers });
  const part = await get({ range: 'bytes=100-199' });
  t.equal(part.statusCode, 206);
  t.equal(part.headers['content-range'], `bytes 100-199/${bytes.length}`);
  t.same(part.rawPayload, bytes.subarray(100, 200));
  t.same((await get({ range: 'bytes=-50' })).rawPayload, bytes.subarray(-50));
  t.same((await get({ range: 'bytes=1000-' })).rawPayload, bytes.subarray(1000));
  t.same((await get({ range: `bytes=10-${bytes.length + 10}` })).rawPayload, bytes.subarray(10));
  const beyond = await get({ range: `bytes=${bytes.length}-` });
  isProblem(t, beyond, 416, 'LR_RANGE');
  t.equal(beyond.headers['content-range'], `bytes */${bytes.length}`);
  t.equal((await get({ range: 'bytes=0-1,5-6' })).statusCode, 200, 'several at once: the whole');
  t.equal((await get({ range: 'lines=1-2' })).statusCode, 200);
  t.equal((await get({ range: 'bytes=0-9', 'if-range': etag })).statusCode, 206);
  t.equal((await get({ range: 'bytes=0-9', 'if-range': '"other"' })).statusCode, 200);
  t.equal((await get({ 'if-none-match': etag })).statusCode, 304);
  const head = await get({}, 'HEAD');
  t.equal(Number(head.headers['content-length']), bytes.length);
  t.equal(head.rawPayload.length, 0);
  t.equal((await ada(`${url}?part=1`)).json().code, 'LR_MP4_PART');
});

t.test('the page and the description of the API', async (t) => {
  const { app } = await rig('page');
  const html = { accept: 'text/html' };
  const page = await app.inject({ url: '/pulls/some-pull', headers: html });
  t.match(page.body, /Longroof/);
  t.match(page.headers['content-security-policy'], /default-src 'none';.*media-src 'self' blob:;worker-src 'self' blob:/);
  t.equal(page.headers['x-content-type-options'], 'nosniff');
  t.match((await app.inject('/assets/a-1234.js')).headers['cache-control'], /immutable/);
  isProblem(t, await app.inject({ url: '/assets/gone.js', headers: html }), 404, 'LR_NOT_FOUND');
  isProblem(t, await app.inject({ url: '/api/x', headers: html }), 404, 'LR_NOT_FOUND');
  const { openapi, paths } = (await app.inject('/api/openapi.json')).json();
  t.equal(openapi, '3.1.0');
  const expected = `
    /api/holds /api/holds/{id}/lift /api/live /api/live/{id} /api/live/{id}/pieces /api/pulls /api/pulls/{id} /api/pulls/{id}/cancel
    /api/pulls/{id}/export.zip /api/pulls/{id}/receipt /api/pulls/{id}/views /api/pulls/{id}/{camera}.mp4
    /api/pulls/{id}/{camera}/playlist.m3u8 /api/pulls/{id}/{camera}/strips /api/pulls/{id}/{camera}/strips/{name}
    /api/pulls/{id}/{camera}/{name} /api/restores /api/session /api/units /api/units/{id} /api/units/{id}/alarms
    /api/units/{id}/alarms/{alarm}/close /api/units/{id}/configurations /api/units/{id}/coverage /api/units/{id}/live /healthz`;
  t.same(Object.keys(paths).sort(), expected.trim().split(/\s+/));
});

t.test('an export is for who asked for the footage, or gave a reason; each is entered, with its fingerprint', async (t) => {
  const one = await rig('export');
  const [ada, ben, max] = [await one.as('ada'), await one.as('ben'), await one.as('max')];
  const url = `/api/pulls/${await pullDone(one, ada)}/export.zip`;
  t.match(await ada(url), {
    statusCode: 200,
    body: 'PK',
    headers: { 'content-type': 'application/zip', 'content-disposition': 'attachment; filename="wagon-1_1234.zip"' },
  });
  t.equal((await ada(url)).statusCode, 200);
  t.match((await ben(url)).json(), { code: 'LR_VIEW_NEEDED' });
  t.match((await max(url)).json(), { code: 'LR_ROLE' });
  t.equal((await one.app.inject(url)).statusCode, 401);
  const granted = await ben({ method: 'POST', url: url.replace('export.zip', 'views'), payload: { reason: 'a second opinion' } });
  t.equal((await ben(`${url}?token=${granted.json().token}`)).statusCode, 200);
  const entries = await one.store.db.selectFrom('audit').selectAll().where('action', 'like', 'export%').orderBy('seq').execute();
  const both = (person: string, reason: string) => [
    { person, action: 'export', reason },
    { person, action: 'export-done', reason, detail_json: JSON.stringify({ manifestSha256: 'ab'.repeat(32) }) },
  ];
  t.match(entries, [...both('ada', wanted.reason), ...both('ada', wanted.reason), ...both('ben', 'a second opinion')]);
});
