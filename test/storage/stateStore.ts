import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { GradworkError } from "../../clients/model/errors.ts";
import { type DutyKey, openState, type StateStore } from "../../clients/storage/stateStore.ts";

const MARKET = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
const ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const proposal = {
  chainId: 31_337n,
  market: MARKET,
  task: 2n ** 255n + 1n,
  round: 3n,
  account: ACCOUNT,
  kind: "proposal",
} as const satisfies DutyKey;
const attestation = { ...proposal, kind: "attestation", proposal: 0n } as const satisfies DutyKey;
const statement = { salt: `0x${"5a".repeat(32)}`, lossMicroNats: 5_512_345, reason: null };

describe("state store", () => {
  let directory: string;
  let file: string;
  let state: StateStore;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "gradwork-state-"));
    file = join(directory, "new", "state.db");
    state = openState(file);
  });
  afterEach(async () => {
    state.close();
    await rm(directory, { recursive: true });
  });

  function reopen() {
    state.close();
    state = openState(file);
  }

  describe("duties", () => {
    it("are recorded once, and found again", () => {
      expect(state.findDuty(attestation)).to.equal(undefined);
      const duty = state.recordDuty(attestation, statement);
      expect(duty).to.deep.equal({
        ...attestation,
        market: MARKET.toLowerCase(),
        account: ACCOUNT.toLowerCase(),
        statement,
        status: "recorded",
      });
      reopen();
      expect(state.findDuty(attestation)).to.deep.equal(duty);
    });

    it("take the same statement again and keep their status", () => {
      state.recordDuty(proposal, statement);
      state.markDuty(proposal, "committed");
      const { reason, lossMicroNats, salt } = statement;
      const again = state.recordDuty(proposal, { reason, lossMicroNats, salt });
      expect(again).to.deep.include({ statement, status: "committed" });
    });

    it("refuse a second statement, whatever the case of an address", () => {
      const recorded = state.recordDuty(attestation, statement);
      const other = { ...statement, salt: `0x${"a5".repeat(32)}` };
      for (const key of [attestation, { ...attestation, market: MARKET.toLowerCase() }]) {
        const error = thrown(() => state.recordDuty(key, other));
        expect(error).to.include({ code: "DUTY_ALREADY_RECORDED" });
        expect(error.data).to.deep.equal({ recorded: statement, given: other });
      }
      expect(state.listDuties()).to.deep.equal([recorded]);
    });

    it("differ by every part of their key", () => {
      const keys: DutyKey[] = [
        proposal,
        attestation,
        { ...attestation, proposal: 1n },
        { ...proposal, chainId: 1n },
        { ...proposal, market: ACCOUNT },
        { ...proposal, task: 1n },
        { ...proposal, round: 4n },
        { ...proposal, account: MARKET },
      ];
      for (const [index, key] of keys.entries()) state.recordDuty(key, index);
      for (const [index, key] of keys.entries()) expect(state.findDuty(key)?.statement).to.equal(index);
      expect(state.listDuties().map((duty) => duty.statement)).to.deep.equal([...keys.keys()]);
    });

    it("are listed by what they have in common", () => {
      state.recordDuty(proposal, "a");
      state.recordDuty(attestation, "b");
      state.recordDuty({ ...attestation, account: MARKET }, "c");
      state.markDuty(attestation, "revealed");
      const listed = (filter: Parameters<StateStore["listDuties"]>[0]) =>
        state.listDuties(filter).map((duty) => duty.statement);
      expect(listed({ kind: "attestation" })).to.deep.equal(["b", "c"]);
      expect(listed({ account: ACCOUNT, chainId: 31_337n, market: MARKET })).to.deep.equal(["a", "b"]);
      expect(listed({ status: "revealed" })).to.deep.equal(["b"]);
      expect(listed({ status: "recorded", account: ACCOUNT })).to.deep.equal(["a"]);
      expect(listed({ chainId: 1n })).to.deep.equal([]);
    });

    it("can't be marked before they are recorded", () => {
      expect(thrown(() => state.markDuty(proposal, "closed"))).to.include({ code: "DUTY_NOT_RECORDED" });
    });

    it("take no statement that JSON can't say", () => {
      expect(() => state.recordDuty(proposal, { loss: Number.NaN })).to.throw();
      expect(state.findDuty(proposal)).to.equal(undefined);
    });
  });

  describe("values and bytes", () => {
    it("are replaced and outlast a reopening", () => {
      state.putValue("cursor", { block: 1 });
      state.putValue("cursor", { block: 2, hash: "0xab" });
      state.putBytes("momentum", Uint8Array.of(9, 9, 9, 9, 9));
      state.putBytes("momentum", Uint8Array.of(1, 2, 3));
      reopen();
      expect(state.getValue("cursor")).to.deep.equal({ block: 2, hash: "0xab" });
      expect(state.getBytes("momentum")).to.deep.equal(Uint8Array.of(1, 2, 3));
      expect(state.getValue("momentum")).to.equal(undefined);
      expect(state.getBytes("cursor")).to.equal(undefined);
    });

    it("hold null and nothing apart from absence", () => {
      state.putValue("null", null);
      state.putBytes("empty", new Uint8Array(0));
      expect(state.getValue("null")).to.equal(null);
      expect(state.getBytes("empty")).to.deep.equal(new Uint8Array(0));
    });

    it("may be larger than one part, and can be viewed as floats", () => {
      const values = Float32Array.from({ length: 4_194_304 + 3 }, (_, index) => index);
      state.putBytes("feedback", new Uint8Array(values.buffer));
      const bytes = state.getBytes("feedback")!;
      expect(Buffer.compare(bytes, new Uint8Array(values.buffer))).to.equal(0);
      expect(new Float32Array(bytes.buffer).at(-1)).to.equal(values.at(-1));
    });
  });

  it("keeps all of a transaction or nothing of it", () => {
    state.transaction(() => {
      state.putBytes("feedback", Uint8Array.of(1));
      state.recordDuty(proposal, statement);
    });
    expect(() =>
      state.transaction(() => {
        state.putBytes("feedback", Uint8Array.of(2));
        state.markDuty(proposal, "committed");
        throw new Error("power cut");
      }),
    ).to.throw("power cut");
    expect(state.getBytes("feedback")).to.deep.equal(Uint8Array.of(1));
    expect(state.findDuty(proposal)?.status).to.equal("recorded");
    state.putValue("after", 1);
    expect(state.getValue("after")).to.equal(1);
  });

  it("is readable by its owner only", async () => {
    state.putValue("key", 1);
    expect((await stat(join(directory, "new"))).mode & 0o777).to.equal(0o700);
    for (const path of [file, `${file}-wal`]) expect((await stat(path)).mode & 0o777).to.equal(0o600);
  });

  it("refuses a state that a newer version wrote, and leaves it as it is", () => {
    state.putValue("key", 1);
    state.close();
    setVersion(file, 99);
    const error = thrown(() => openState(file));
    expect(error).to.include({ code: "STATE_NEWER" });
    expect(error.data).to.deep.equal({ file, version: 99, supported: 1 });
    setVersion(file, 1);
    state = openState(file);
    expect(state.getValue("key")).to.equal(1);
  });

  it("refuses a file that is no database", async () => {
    const other = join(directory, "notes.txt");
    await writeFile(other, "Call me Ishmael. ".repeat(100));
    expect(thrown(() => openState(other))).to.include({ code: "STATE_CORRUPT" });
  });

  it("has one owner at a time, here and in other processes", async () => {
    const here = thrown(() => openState(file));
    expect(here).to.include({ code: "STATE_LOCKED" });
    expect(here.data).to.deep.equal({ directory: join(directory, "new"), file });
    const open = `
      try { openState(file); console.log("opened"); } catch (error) { console.log(error.code); }
    `;
    expect(await run(file, open)).to.equal("STATE_LOCKED\n");
    state.putValue("still", "writing");
    state.close();
    state.close();
    expect(await run(file, open)).to.equal("opened\n");
  });

  it("finds every statement after its process was killed, and the lock gone", async () => {
    state.close();
    const output = await run(
      file,
      `
      const state = openState(file);
      state.recordDuty(${source(attestation)}, ${source(statement)});
      state.putBytes("feedback", new Uint8Array(100_000).fill(7));
      state.transaction(() => {
        state.markDuty(${source(attestation)}, "committed");
        process.kill(process.pid, "SIGKILL");
        while (true);
      });
    `,
      "SIGKILL",
    );
    expect(output).to.equal("");
    expect((await stat(`${file}-wal`)).size, "an unclean exit").to.be.above(0);
    state = openState(file);
    expect(state.findDuty(attestation)).to.deep.include({ statement, status: "recorded" });
    expect(state.getBytes("feedback")).to.deep.equal(new Uint8Array(100_000).fill(7));
  });

  it("has on disk all that was written when a call returns", async () => {
    state.close();
    state = openState(file);
    state.recordDuty(proposal, statement);
    const image = join(directory, "image.db");
    // Read by another process: this one would lose its lock on closing the file.
    await run(
      file,
      `
      import { copyFileSync } from "node:fs";
      for (const suffix of ["", "-wal"]) copyFileSync(file + suffix, ${JSON.stringify(image)} + suffix);
    `,
    );
    const restored = openState(image);
    expect(restored.findDuty(proposal)?.statement).to.deep.equal(statement);
    restored.close();
  });
});

function thrown(body: () => unknown): GradworkError {
  try {
    body();
  } catch (error) {
    if (error instanceof GradworkError) return error;
    throw error;
  }
  return expect.fail("expected a GradworkError");
}

function setVersion(file: string, version: number): void {
  const database = new DatabaseSync(file);
  database.exec(`PRAGMA user_version = ${version}`);
  database.close();
}

/** JavaScript source of a value, bigint included. */
function source(value: object): string {
  const entries = Object.entries(value).map(
    ([key, each]) => `${key}: ${typeof each === "bigint" ? `${each}n` : JSON.stringify(each)}`,
  );
  return `{ ${entries.join(", ")} }`;
}

/** Runs a script with `openState` and `file` in a process of its own; returns its standard output. */
async function run(
  file: string,
  script: string,
  expectedSignal: NodeJS.Signals | null = null,
): Promise<string> {
  const module = new URL("../../clients/storage/stateStore.ts", import.meta.url);
  const child = spawn(
    process.execPath,
    [
      "--input-type=module",
      "--eval",
      `import { openState } from "${module}"; const file = ${JSON.stringify(file)}; ${script}`,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  const [code, signal] = await once(child, "close");
  expect({ code, signal }).to.deep.equal({ code: expectedSignal ? null : 0, signal: expectedSignal });
  return output;
}
