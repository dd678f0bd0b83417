import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import canonicalize from "canonicalize";
import { GradworkError } from "../model/errors.ts";

/** What JSON can say. An amount above 2^53 goes in as a decimal string. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * What one account owes at most one statement for: its proposal in a round, its attestation of one proposal; its answer
 * to a query or its scores of the answers, with the model as `task` and the query as `round`.
 */
export type DutyKey = {
  readonly chainId: bigint;
  /** the market's address; case doesn't matter, here and in `account` */
  readonly market: string;
  readonly task: bigint;
  readonly round: bigint;
  readonly account: string;
} & (
  | { readonly kind: "proposal" | "answer" | "scores" }
  | { readonly kind: "attestation"; readonly proposal: bigint }
);

/** How far a duty has come. `recorded`: maybe signed, maybe sent. A proposal is revealed when it is opened. */
export type DutyStatus = "recorded" | "committed" | "revealed" | "closed";

export type Duty = DutyKey & {
  /** everything that the commitment and its reveal are made from, the salt included */
  readonly statement: Json;
  readonly status: DutyStatus;
};

/** Duties whose every given field is equal. */
export type DutyFilter = {
  readonly chainId?: bigint;
  readonly market?: string;
  readonly account?: string;
  readonly kind?: Duty["kind"];
  readonly status?: DutyStatus;
};

/**
 * A client's durable memory. Every call is on disk when it returns, and happened wholly or not at all.
 *
 * A statement is recorded **before** it is signed, so that after a crash the client finds it and says the same
 * again. That holds for one state per account: a copy elsewhere, or an old backup, can't know what the other said.
 */
export type StateStore = {
  /**
   * Records a duty's statement, once.
   * @returns the duty as it stands; the same statement again changes nothing
   * @throws {GradworkError} `DUTY_ALREADY_RECORDED` for another statement, with both
   */
  recordDuty(key: DutyKey, statement: Json): Duty;
  findDuty(key: DutyKey): Duty | undefined;
  /** In the order of their recording. */
  listDuties(filter?: DutyFilter): Duty[];
  /** @throws {GradworkError} `DUTY_NOT_RECORDED` */
  markDuty(key: DutyKey, status: DutyStatus): void;

  putValue(key: string, value: Json): void;
  getValue(key: string): Json | undefined;

  /** For large arrays: optimizer state, error feedback. */
  putBytes(key: string, bytes: Uint8Array): void;
  /** In an ArrayBuffer of their own, so that other typed arrays can view it. */
  getBytes(key: string): Uint8Array | undefined;

  /** Makes all that `body` (not async) stores one step: it is kept whole, or not at all when `body` throws. */
  transaction<T>(body: () => T): T;

  /** Lets go of the file; a second call does nothing. */
  close(): void;
};

// Each takes the schema from the version of its index to the next one. Never edit one that was released.
const migrations = [
  `CREATE TABLE duty (
     chainId TEXT NOT NULL,
     market TEXT NOT NULL,
     task TEXT NOT NULL,
     round TEXT NOT NULL,
     account TEXT NOT NULL,
     kind TEXT NOT NULL,
     proposal TEXT NOT NULL, -- empty where kind is 'proposal': NULLs would not be unique
     statement TEXT NOT NULL, -- RFC 8785
     status TEXT NOT NULL,
     PRIMARY KEY (chainId, market, task, round, account, kind, proposal)
   ) STRICT;
   CREATE TABLE value (key TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT;
   CREATE TABLE bytes (key TEXT, part INTEGER, content BLOB NOT NULL, PRIMARY KEY (key, part)) STRICT;`,
];

// SQLite's own bound on a BLOB is 1 GB, less than a large model's optimizer state.
const PART_BYTES = 1 << 24;

const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * Opens a state file; makes it and its folder where missing, readable by their owner only.
 * One connection at a time: the lock is the operating system's, and a killed process loses it.
 * @throws {GradworkError} `STATE_LOCKED` when another has it open, `STATE_NEWER` when a later version wrote it,
 *   `STATE_CORRUPT` when it is no SQLite database
 */
export function openState(file: string): StateStore {
  makePrivateFile(file);
  const database = new DatabaseSync(file, { timeout: 500 });
  try {
    // With an exclusive lock kept from the first access on, WAL needs no shared memory.
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA journal_size_limit = ${4 * PART_BYTES};
      BEGIN EXCLUSIVE; COMMIT;
    `);
    migrate(database, file);
  } catch (error) {
    database.close();
    throw openingError(error, file);
  }

  const insertDuty = database.prepare(
    `INSERT INTO duty VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'recorded') ON CONFLICT DO NOTHING`,
  );
  const whereKey =
    "chainId = ? AND market = ? AND task = ? AND round = ? AND account = ? AND kind = ? AND proposal = ?";
  const selectDuty = database.prepare(`SELECT * FROM duty WHERE ${whereKey}`);
  const updateStatus = database.prepare(`UPDATE duty SET status = ? WHERE ${whereKey}`);
  const upsertValue = database.prepare("INSERT OR REPLACE INTO value VALUES (?, ?)");
  const selectValue = database.prepare("SELECT json FROM value WHERE key = ?");
  const deleteBytes = database.prepare("DELETE FROM bytes WHERE key = ?");
  const insertPart = database.prepare("INSERT INTO bytes VALUES (?, ?, ?)");
  const selectLength = database.prepare("SELECT sum(length(content)) AS byteLength FROM bytes WHERE key = ?");
  const selectParts = database.prepare("SELECT content FROM bytes WHERE key = ? ORDER BY part");

  function transaction<T>(body: () => T): T {
    if (database.isTransaction) return body();
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = body();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }

  function findDuty(key: DutyKey): Duty | undefined {
    const row = selectDuty.get(...keyColumns(key));
    return row && dutyOf(row as DutyRow);
  }

  return {
    recordDuty(key, statement) {
      const text = canonicalJson(statement);
      insertDuty.run(...keyColumns(key), text);
      const duty = findDuty(key)!;
      if (canonicalJson(duty.statement) !== text) {
        throw new GradworkError(
          "DUTY_ALREADY_RECORDED",
          `Expected the ${key.kind} recorded for task ${key.task}, round ${key.round}, got another; ` +
            "signing both would be punished, so go on with the recorded one",
          { recorded: duty.statement, given: statement },
        );
      }
      return duty;
    },
    findDuty,
    listDuties(filter = {}) {
      const columns = Object.entries(filter).filter(([, value]) => value !== undefined);
      const where = columns.map(([column]) => `AND ${column} = ?`).join(" ");
      const values = columns.map(([, value]) => String(value).toLowerCase());
      const rows = database.prepare(`SELECT * FROM duty WHERE true ${where} ORDER BY rowid`).all(...values);
      return rows.map((row) => dutyOf(row as DutyRow));
    },
    markDuty(key, status) {
      if (updateStatus.run(status, ...keyColumns(key)).changes === 0) {
        throw new GradworkError(
          "DUTY_NOT_RECORDED",
          `Expected a recorded ${key.kind} for task ${key.task}, round ${key.round}, got none`,
          { ...key },
        );
      }
    },

    putValue(key, value) {
      upsertValue.run(key, canonicalJson(value));
    },
    getValue(key) {
      const row = selectValue.get(key);
      return row && (JSON.parse(row.json as string) as Json);
    },

    putBytes(key, bytes) {
      transaction(() => {
        deleteBytes.run(key);
        for (let part = 0; part === 0 || part * PART_BYTES < bytes.length; part++) {
          insertPart.run(key, part, bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
        }
      });
    },
    getBytes(key) {
      const byteLength = selectLength.get(key)?.byteLength;
      if (typeof byteLength !== "number") return undefined;
      const bytes = new Uint8Array(byteLength);
      let offset = 0;
      for (const row of selectParts.iterate(key)) {
        const content = row.content as Uint8Array;
        bytes.set(content, offset);
        offset += content.length;
      }
      return bytes;
    },

    transaction,
    close() {
      if (database.isOpen) database.close();
    },
  };
}

type DutyRow = Record<keyof DutyKey | "proposal" | "statement" | "status", string>;

function keyColumns(key: DutyKey): [string, string, string, string, string, string, string] {
  return [
    String(key.chainId),
    key.market.toLowerCase(),
    String(key.task),
    String(key.round),
    key.account.toLowerCase(),
    key.kind,
    key.kind === "attestation" ? String(key.proposal) : "",
  ];
}

function dutyOf(row: DutyRow): Duty {
  const common = {
    chainId: BigInt(row.chainId),
    market: row.market,
    task: BigInt(row.task),
    round: BigInt(row.round),
    account: row.account,
    statement: JSON.parse(row.statement) as Json,
    status: row.status as DutyStatus,
  };
  return row.kind === "attestation"
    ? { ...common, kind: "attestation", proposal: BigInt(row.proposal) }
    : { ...common, kind: row.kind as "proposal" | "answer" | "scores" };
}

/** RFC 8785: equal text for equal values. */
function canonicalJson(value: Json): string {
  return canonicalize(value)!;
}

// SQLite gives its -wal file the mode of the database. The file must never be opened again while it is locked:
// closing any descriptor of it would drop the process's POSIX lock, hence "wx".
function makePrivateFile(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(file, "wx", 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    chmodSync(file, 0o600);
  }
}

function migrate(database: DatabaseSync, file: string): void {
  const version = database.prepare("PRAGMA user_version").get()?.user_version as number;
  if (version > migrations.length) {
    throw new GradworkError(
      "STATE_NEWER",
      `Expected state of version ${migrations.length} or older in ${file}, got ${version}; use a newer gradwork`,
      { file, version, supported: migrations.length },
    );
  }
  for (const [index, migration] of migrations.slice(version).entries()) {
    database.exec(`BEGIN; ${migration} PRAGMA user_version = ${version + index + 1}; COMMIT;`);
  }
}

function openingError(error: unknown, file: string): unknown {
  switch (((error as { errcode?: number }).errcode ?? 0) & 0xff) {
    case SQLITE_BUSY:
      return new GradworkError(
        "STATE_LOCKED",
        `Expected ${dirname(file)} to be free, got a lock: stop the other process that runs on it`,
        { directory: dirname(file), file },
      );
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return new GradworkError("STATE_CORRUPT", `Expected a state file, got something else at ${file}`, {
        file,
      });
    default:
      return error;
  }
}
