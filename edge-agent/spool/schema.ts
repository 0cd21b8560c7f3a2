/**
 * The index: a SQLite file that can be thrown away. Everything in it follows from the reels and the journal, `state.applied` says
 * up to which record. Fragments carry no secondary index: a reel knows the range of row ids that holds its own, because rows are
 * appended in order of time; so a commit dirties one or two pages however many cameras write.
 */
import Database from 'better-sqlite3';

export type Sqlite = Database.Database;
export const SCHEMA_VERSION = 1;

const SCHEMA = `
CREATE TABLE state (key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID, STRICT;
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, before INTEGER, shift REAL) STRICT;
CREATE TABLE runs (epoch TEXT NOT NULL, run INTEGER NOT NULL, boot INTEGER NOT NULL, PRIMARY KEY (epoch, run)) WITHOUT ROWID, STRICT;
CREATE TABLE streams (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, open INTEGER NOT NULL,
  boot INTEGER, accounted REAL, wall TEXT, cause TEXT NOT NULL, causeAt REAL NOT NULL, detail TEXT
) STRICT;
CREATE TABLE reels (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, rung INTEGER NOT NULL, epoch TEXT NOT NULL, run INTEGER NOT NULL, seqFirst INTEGER NOT NULL,
  boot INTEGER NOT NULL, state INTEGER NOT NULL, count INTEGER NOT NULL, released INTEGER NOT NULL, fileBytes INTEGER NOT NULL,
  bytes INTEGER NOT NULL, startMono REAL NOT NULL, endMono REAL NOT NULL, offsetMin REAL NOT NULL, offsetMax REAL NOT NULL,
  trustedUtc REAL, bornMs REAL NOT NULL, initSha BLOB NOT NULL, initBytes INTEGER NOT NULL, codec TEXT NOT NULL,
  lostPackets INTEGER NOT NULL, rowFirst INTEGER, rowLast INTEGER, root BLOB,
  UNIQUE (stream, epoch, run, seqFirst)
) STRICT;
CREATE INDEX reels_state ON reels (state) WHERE state <> 1;
CREATE INDEX reels_rung ON reels (rung, id) WHERE state = 1;
CREATE INDEX reels_released ON reels (id) WHERE state = 1 AND released = count;
CREATE INDEX reels_init ON reels (initSha);
CREATE TABLE fragments (
  id INTEGER PRIMARY KEY, reel INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, startMono REAL NOT NULL,
  arrivalMono REAL NOT NULL, start90k INTEGER NOT NULL, duration90k INTEGER NOT NULL, wallUtc REAL NOT NULL,
  wallSource TEXT NOT NULL, wallError REAL NOT NULL, cameraUtc REAL, bytes INTEGER NOT NULL, sha BLOB NOT NULL,
  frames INTEGER NOT NULL, keyFrames INTEGER NOT NULL, lostPackets INTEGER NOT NULL, flags INTEGER NOT NULL, released INTEGER NOT NULL
) STRICT;
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, boot INTEGER NOT NULL, fromMono REAL NOT NULL, duration REAL NOT NULL,
  fromUtc REAL, claimOffset REAL NOT NULL, claimSource TEXT NOT NULL, claimError REAL NOT NULL, cause TEXT NOT NULL, detail TEXT
) STRICT;
CREATE INDEX gaps_stream ON gaps (stream, cause, id);
CREATE TABLE anchors (
  boot INTEGER NOT NULL, atMono REAL NOT NULL, offset REAL NOT NULL, source TEXT NOT NULL, error REAL NOT NULL,
  PRIMARY KEY (boot, atMono)
) WITHOUT ROWID, STRICT;
CREATE TABLE holds (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE held (reel INTEGER NOT NULL, hold TEXT NOT NULL, PRIMARY KEY (reel, hold)) WITHOUT ROWID, STRICT;
`;

/** Rungs of retention. */
export const RUNG_ORIGINAL = 0;
export const RUNG_PROXY = 1;
/** Copies that a pull asked for. Nothing is promised of them: they can be made again while their originals are here. */
export const RUNG_DERIVED = 2;
export const RUNG_STRIP = 3;

/** States of a reel. `gone` is one that a durable record disposed of and whose file may still be there. */
export const REEL_OPEN = 0;
export const REEL_CLOSED = 1;
export const REEL_GONE = 2;

/** Opens the index, or makes it unless it must be `existing`. Throws what SQLite throws; another version counts as no database. */
export function openSqlite(file: string, options: { existing?: boolean } = {}): Sqlite {
  const db = new Database(file, { fileMustExist: options.existing ?? false });
  try {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.pragma('journal_size_limit = 8388608');
    db.pragma('cache_size = -2048');
    const version = db.pragma('user_version', { simple: true });
    if (version === 0 && !options.existing) {
      db.transaction(() => {
        db.exec(SCHEMA);
        db.pragma(`user_version = ${SCHEMA_VERSION}`);
      })();
    } else if (version !== SCHEMA_VERSION) throw Object.assign(new Error(`index of version ${version}`), { code: 'SQLITE_NOTADB' });
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
