import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AsyncDisk, systemAsyncDisk } from '@longroof/base/async-disk';
import { systemClock } from '@longroof/base/clock';
import { Fault } from '@longroof/base/errors';
import { silentLog } from '@longroof/base/log';
import { seededRandom, testSeed } from '@longroof/base/random';
import { sql } from 'kysely';
import t from 'tap';
import { appendAudit, firstAuditBreak } from './audit.js';
import { type BlobStore, fragmentKey } from './blobs.js';
import { Commits } from './commits.js';
import { openFolderBlobs } from './folder-blobs.js';
import { insertMany } from './many.js';
import { openStore, type Store } from './open.js';

const open = (dir: string) => openStore({ dir, clock: systemClock, log: silentLog });

t.test('the database: made once, opened again, durable settings, foreign keys', async (t) => {
  const dir = t.testdir();
  const first = await open(`${dir}/new/folder`);
  t.match(first.storeEpoch, /^[0-9a-f]{32}$/);
  const pragma = async (name: string) => Object.values((await sql.raw(`pragma ${name}`).execute(first.db)).rows[0] as object)[0];
  t.equal(await pragma('journal_mode'), 'wal');
  t.equal(await pragma('synchronous'), 2);
  t.equal(await pragma('foreign_keys'), 1);
  await t.rejects(
    first.db
      .insertInto('pull_missing')
      .values({ pull: 'x', ordinal: 0, camera: 'c', rendition: 'proxy', from_utc_ms: 0, to_utc_ms: 1, cause: 'lost' })
      .execute(),
    /FOREIGN KEY/,
  );
  await first.close();
  const again = await open(`${dir}/new/folder`);
  t.equal(again.storeEpoch, first.storeEpoch);
  await again.close();
});

t.test('a full disk in the middle of a transaction: all of it is taken back, and the error is that of the disk', async (t) => {
  const store = await open(t.testdir());
  t.teardown(() => store.close());
  const set = (key: string, value: string) => store.db.insertInto('setting').values({ key, value });
  await sql.raw('pragma max_page_count = 1').execute(store.db);
  const trx = store.db.transaction().execute(async (trx) => {
    await trx.insertInto('setting').values({ key: 'before', value: '1' }).execute();
    await trx
      .insertInto('setting')
      .values({ key: 'large', value: 'x'.repeat(1_000_000) })
      .execute()
      .catch(() => undefined);
    // Whoever goes on all the same must not write outside of the transaction.
    await trx.insertInto('setting').values({ key: 'after', value: '1' }).execute();
  });
  await t.rejects(trx, { name: 'Fault', kind: 'full', code: 'LR_SYS_SQLITE_FULL' });
  await sql.raw('pragma max_page_count = 1000000').execute(store.db);
  await set('later', '1').execute();
  const keys = await store.db.selectFrom('setting').select('key').where('key', 'in', ['before', 'large', 'after', 'later']).execute();
  t.same(keys, [{ key: 'later' }]);
});

t.test('its columns are those of the files of tables, in the portable subset', async (t) => {
  const store = await open(t.testdir());
  t.teardown(() => store.close());
  const files = ['tables', 'tables-journal', 'tables-kept', 'tables-evidence'].map(
    (name) => new URL(`../../store/${name}.ts`, import.meta.url),
  );
  const source = files.map((file) => readFileSync(file, 'utf8')).join('\n');
  const named = new Map<string, { column: string; isNull: boolean }[]>();
  for (const [, name, body] of source.matchAll(/export interface (\w+)Table \{\n([\s\S]*?)\n\}/g)) {
    const columns = [...(body as string).matchAll(/^ {2}(\w+): (.*);$/gm)].map(([, column, type]) => ({
      column: column as string,
      isNull: (type as string).includes('| null'),
    }));
    named.set((name as string).replace(/(?<=.)[A-Z]/g, (letter) => `_${letter}`).toLowerCase(), columns);
  }
  const tables = (await store.db.introspection.getTables()).filter((table) => !table.name.startsWith('kysely'));
  t.same(tables.map((table) => table.name).sort(), [...named.keys()].sort());
  for (const table of tables) {
    const isNull = (column: { name: string; isNullable: boolean }): boolean =>
      // Of a view a database says it of every column.
      table.isView ? named.get(table.name)?.find((one) => one.column === column.name)?.isNull === true : column.isNullable;
    t.same(
      table.columns.map((column) => ({ column: column.name, isNull: isNull(column) })).sort((a, b) => a.column.localeCompare(b.column)),
      named.get(table.name)?.sort((a, b) => a.column.localeCompare(b.column)),
      table.name,
    );
    const types = ['text', 'integer', 'double precision', 'blob', ...(table.isView ? [''] : [])];
    t.ok(
      table.columns.every((column) => types.includes(column.dataType.toLowerCase())),
      `${table.name}: types`,
    );
  }
});

t.test('a whole number that needs 53 bits comes back as it was, as a number', async (t) => {
  const store = await open(t.testdir());
  t.teardown(() => store.close());
  const big = Number.MAX_SAFE_INTEGER;
  await store.db.insertInto('run').values({ unit: 'w', epoch: 'e', run: big, boot: 'b' }).execute();
  t.strictSame(await store.db.selectFrom('run').select('run').where('run', '=', big).execute(), [{ run: big }]);
});

t.test('a file that is no database is named, with what to do', async (t) => {
  const dir = t.testdir({ 'longroof.db': 'this is not a database, and never was one'.repeat(200) });
  await t.rejects(open(dir), { code: 'LR_STORE_OPEN', hint: /backup/ });
});

t.test('the audit chain shows any change', async (t) => {
  const store = await open(t.testdir());
  t.teardown(() => store.close());
  const add = (action: string) =>
    store.db.transaction().execute((trx) => appendAudit(trx, { utcMs: 1.5, person: 'anna', action, subject: 's', detail: { n: 1 } }));
  await Promise.all(['a', 'b', 'c', 'd'].map(add));
  t.equal(await firstAuditBreak(store.db), undefined);
  await store.db.updateTable('audit').set({ person: 'bert' }).where('seq', '=', 2).execute();
  t.equal(await firstAuditBreak(store.db), 2);
});

/** What every kind of blob store must do. */
function blobContract(name: string, make: (dir: string) => Promise<BlobStore>): void {
  t.test(`${name}: a blob appears whole and only when committed`, async (t) => {
    const seed = testSeed();
    t.comment(`seed ${seed}`);
    const random = seededRandom(seed);
    const blobs = await make(t.testdir());
    const key = fragmentKey({ unit: 'w', epoch: 'e'.repeat(32), stream: 'front.proxy', run: 1, seq: 2, sha256: 'f'.repeat(64) });
    const parts = Array.from({ length: 40 }, () => random.bytes(random.int(0, 30_000)));
    const whole = Buffer.concat(parts);
    const writer = await blobs.create(key);
    for (const part of parts) await writer.write(part);
    t.equal(await blobs.has(key), false);
    t.equal(await blobs.read(key), undefined);
    await writer.commit();
    t.equal(await blobs.has(key), true);
    t.ok((await blobs.read(key))?.equals(whole));
    for (let n = 0; n < 20; n += 1) {
      const start = random.int(0, whole.length + 10);
      const end = start + random.int(0, whole.length);
      t.ok((await blobs.read(key, start, end))?.equals(whole.subarray(start, end)), `${start}..${end}`);
    }
    const second = await blobs.create(key);
    await second.write(whole);
    await second.commit();
    t.ok((await blobs.read(key, 5))?.equals(whole.subarray(5)), 'written again it is what it was');
  });

  t.test(`${name}: an aborted blob leaves nothing, twice is once, many go on together`, async (t) => {
    const blobs = await make(t.testdir());
    const gone = await blobs.create('w/x');
    await gone.write(Buffer.from('gone'));
    await gone.abort();
    await gone.abort();
    t.equal(await blobs.has('w/x'), false);
    const keys = Array.from({ length: 50 }, (_, n) => `w/e/front/${n % 3}/${n}`);
    await Promise.all(
      keys.map(async (key) => {
        const writer = await blobs.create(key);
        await writer.write(Buffer.from(key));
        await writer.commit();
      }),
    );
    for (const key of keys) t.equal((await blobs.read(key))?.toString(), key);
  });

  t.test(`${name}: refuses keys that lead elsewhere`, async (t) => {
    const blobs = await make(t.testdir());
    for (const key of ['../x', 'a/../../x', '/etc/passwd', '', 'a//b', 'a/./b', 'x\0y', 'a'.repeat(600)]) {
      await t.rejects(blobs.create(key), { code: 'LR_BLOB_KEY' });
      await t.rejects(blobs.read(key), { code: 'LR_BLOB_KEY' });
    }
  });
}

blobContract('folder', (dir) => openFolderBlobs({ dir }));

t.test('a folder: what a crash left under way is removed at the next start', async (t) => {
  const dir = t.testdir();
  const blobs = await openFolderBlobs({ dir });
  const writer = await blobs.create('w/half');
  await writer.write(Buffer.alloc(300_000));
  t.equal(readdirSync(`${dir}/tmp`).length, 1);
  writeFileSync(`${dir}/tmp/stray`, 'x');
  await openFolderBlobs({ dir });
  t.equal(readdirSync(`${dir}/tmp`).length, 0);
  await writer.abort();
});

t.test('a folder that is shared: what another process has under way is left alone, what nobody has touched for an hour goes', async (t) => {
  const dir = t.testdir();
  const shared = { utc: () => nowMs };
  let nowMs = Date.now();
  const blobs = await openFolderBlobs({ dir, shared });
  const bytes = Buffer.alloc(300_000, 7);
  const writer = await blobs.create('w/half');
  await writer.write(bytes);
  await openFolderBlobs({ dir, shared });
  await writer.commit();
  t.ok((await blobs.read('w/half'))?.equals(bytes), 'the other start has not taken it away');
  const left = await blobs.create('w/left');
  await left.write(bytes);
  nowMs += 2 * 3_600_000;
  await openFolderBlobs({ dir, shared });
  t.equal(readdirSync(`${dir}/tmp`).length, 0);
  await t.rejects(left.commit(), { code: 'LR_SYS_ENOENT' }, 'whoever lost his file claims nothing');
  t.notOk(await blobs.has('w/left'));
});

t.test('a folder: durable means data, then name, then every folder above it', async (t) => {
  const dir = t.testdir();
  const steps: string[] = [];
  const disk: AsyncDisk = {
    ...systemAsyncDisk,
    async create(file) {
      const real = await systemAsyncDisk.create(file);
      return {
        append: (parts) => real.append(parts),
        datasync: () => real.datasync().then(() => void steps.push('datasync')),
        close: () => real.close(),
      };
    },
    rename: (from, to) => systemAsyncDisk.rename(from, to).then(() => void steps.push('rename')),
    syncDirectory: (directory) =>
      systemAsyncDisk.syncDirectory(directory).then(() => void steps.push(`sync ${directory.slice(dir.length)}`)),
  };
  const blobs = await openFolderBlobs({ dir, disk });
  steps.length = 0;
  const write = async (key: string) => {
    const writer = await blobs.create(key);
    await writer.write(Buffer.from('x'));
    await writer.commit();
  };
  await write('w/e/1');
  t.same(steps, ['datasync', 'rename', 'sync /blobs', 'sync /blobs/w', 'sync /blobs/w/e']);
  steps.length = 0;
  await write('w/e/2');
  t.same(steps, ['datasync', 'rename', 'sync /blobs/w/e']);
});

t.test('a folder: a disk that fails leaves no blob and no file', async (t) => {
  for (const at of ['append', 'datasync', 'rename'] as const) {
    const dir = `${t.testdir()}/${at}`;
    const fail = async (): Promise<never> => {
      throw new Fault('full', 'LR_SYS_ENOSPC', 'no space');
    };
    const disk: AsyncDisk = {
      ...systemAsyncDisk,
      async create(file) {
        const real = await systemAsyncDisk.create(file);
        return {
          append: at === 'append' ? fail : (parts) => real.append(parts),
          datasync: at === 'datasync' ? fail : () => real.datasync(),
          close: () => real.close(),
        };
      },
      rename: at === 'rename' ? fail : systemAsyncDisk.rename,
    };
    const blobs = await openFolderBlobs({ dir, disk });
    const writer = await blobs.create('w/x');
    await writer.write(Buffer.from('x'));
    await t.rejects(writer.commit(), { code: 'LR_SYS_ENOSPC' });
    await writer.abort();
    t.equal(await blobs.has('w/x'), false, at);
    t.equal(readdirSync(`${dir}/tmp`).length, 0, at);
  }
});

t.test('shared commits: what fails takes nothing of the others with it, and what is answered is durable', async (t) => {
  const dir = t.testdir();
  const store = await openStore({ dir, clock: systemClock, log: silentLog });
  const commits = new Commits(store.db, systemClock);
  const put = (key: string, after?: () => void) =>
    commits.run(async (trx) => {
      await insertMany(trx, 'setting', [{ key, value: 'a' }]);
      after?.();
      return key;
    });
  const fail = (): void => {
    throw new Error('wrong');
  };
  const settled = await Promise.allSettled(Array.from({ length: 300 }, (_, n) => put(`k${n}`, n % 7 === 3 ? fail : undefined)));
  const right = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])).sort();
  t.equal(right.length, 300 - 43);
  const rows = await store.reads.selectFrom('setting').select('key').where('key', 'like', 'k%').orderBy('key').execute();
  t.same(
    rows.map(({ key }) => key),
    right,
    'who only reads sees all of it, and nothing else',
  );
  await t.rejects(put('alone', fail), { message: 'wrong' });
  await t.rejects(put('k0'), { code: /SQLITE_CONSTRAINT/ }, 'one statement that fails, alone');
  t.equal(await put('after'), 'after');
  await t.rejects(store.reads.deleteFrom('setting').execute(), 'who only reads writes nothing');
  t.equal(
    await store.db.transaction().execute((trx) =>
      insertMany(
        trx,
        'setting',
        [
          { key: 'k0', value: 'b' },
          { key: 'new', value: 'b' },
        ],
        ['key'],
      ),
    ),
    1,
  );
  await store.close();
});

t.test('two that write into one database wait for each other', async (t) => {
  const dir = t.testdir();
  const stores = [
    await openStore({ dir, clock: systemClock, log: silentLog }),
    await openStore({ dir, clock: systemClock, log: silentLog }),
  ];
  const written = stores.map(({ db }, who) => {
    const commits = new Commits(db, systemClock);
    const put = (n: number) => commits.run((trx) => insertMany(trx, 'setting', [{ key: `${who} ${n}`, value: 'a' }]));
    return Promise.all(Array.from({ length: 200 }, (_, n) => put(n)));
  });
  await Promise.all(written);
  const { count } = await (stores[0] as Store).reads
    .selectFrom('setting')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('value', '=', 'a')
    .executeTakeFirstOrThrow();
  t.equal(count, 400);
  for (const store of stores) await store.close();
});
