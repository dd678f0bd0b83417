import { expect } from "chai";
import { errorLine, hideKeys } from "../../clients/cli/errorLine.ts";
import { eventLine } from "../../clients/cli/eventLine.ts";
import { formatDuration, formatTime, formatTokens } from "../../clients/cli/formats.ts";
import { jsonObserver, lineObserver, unrepeated } from "../../clients/cli/observers.ts";
import { openTerminal } from "../../clients/cli/terminal.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";

/** Keeps what is written to it. */
function record(isTTY = false) {
  const written: string[] = [];
  return { written, isTTY, columns: 60, write: (text: string) => written.push(text) };
}

const training = (step: number): RoleEvent => ({
  kind: "training",
  round: 2n,
  step,
  steps: 8,
  lossNats: 5.25,
});

describe("what the command line writes", () => {
  it("is one line for an error, with its code and without requests or stacks", () => {
    expect(errorLine(new GradworkError("SOME_CODE", "expected a,\n  got b"))).to.equal(
      "expected a, got b (SOME_CODE)",
    );
    const refused = Object.assign(new AggregateError([]), { code: "ECONNREFUSED" });
    expect(errorLine(refused)).to.equal("AggregateError (ECONNREFUSED)");
    const long = "server response 403 (request={ }, requestUrl=https://rpc.example.org/secret)";
    const response = Object.assign(new Error(long), {
      shortMessage: "server response 403",
      code: "SERVER_ERROR",
    });
    expect(errorLine(response)).to.equal("server response 403 (SERVER_ERROR)");
    expect(errorLine("text")).to.equal("text");
  });

  it("hides what may be a key, and leaves addresses", () => {
    const key = "ab".repeat(32);
    expect(hideKeys(`--private-key=0x${key} ${key}`)).not.to.include("abab");
    expect(hideKeys(`0x${"ab".repeat(20)}`)).to.equal(`0x${"ab".repeat(20)}`);
  });

  it("has units and is exact", () => {
    expect(formatTokens(10n ** 18n)).to.equal("1 tGRAD");
    expect(formatTokens(1n)).to.equal("0.000000000000000001 tGRAD");
    expect(formatDuration(5_400n)).to.equal("1 h 30 min");
    expect(formatDuration(0n)).to.equal("0 s");
    expect(formatTime(1_700_000_000n)).to.equal("2023-11-14 22:13:20 UTC");
  });

  it("is one line for each event that a person should see", () => {
    const detail = { leaf: 3n, expected: 0.5, given: 0.25 };
    const lines: [RoleEvent, string | undefined][] = [
      [{ kind: "fetched", bytes: 10 }, undefined],
      [training(4), "round 2: training, step 4 of 8, loss 5.2500 nats"],
      [
        { kind: "sent", round: 0n, action: "enrol", hash: "0xab", gasUsed: 7n },
        "enrol is on chain, 7 gas, 0xab",
      ],
      [
        { kind: "difference", round: 2n, proposal: 1, reason: "full root differs", detail },
        'round 2: proposal 1 is wrong, full root differs: {"leaf":"3","expected":0.5,"given":0.25}',
      ],
      [{ kind: "attested", round: 2n, verdicts: ["Positive", "None"] }, "round 2: attested Positive, None"],
      [
        { kind: "finalized", round: 2n, outcomes: ["Confirmed", "Outdone"] },
        "round 2: ended Confirmed, Outdone",
      ],
      [{ kind: "claimed", amount: 25n * 10n ** 17n }, "claimed 2.5 tGRAD"],
      [
        { kind: "retrying", action: "turn", error: new GradworkError("REVERTED", "no") },
        "trying again (turn): no (REVERTED)",
      ],
    ];
    for (const [event, line] of lines) expect(eventLine(event)).to.equal(line);
  });

  it("moves a bar in a terminal, and gives way to lines", () => {
    const output = record(true);
    const terminal = openTerminal(output);
    const observe = lineObserver(terminal);
    observe(training(4));
    expect(output.written.join("")).to.match(/^\r█{8}░{8} \d\d:\d\d:\d\d round 2: training/);
    expect(output.written.join("")).to.have.length(60);
    observe({ kind: "waiting", why: "no escrow" });
    expect(output.written.slice(1).join("")).to.match(/^\r {59}\r\d\d:\d\d:\d\d waiting: no escrow\n$/);
    terminal.clear();
    expect(output.written).to.have.length(3);
  });

  it("leaves progress out elsewhere, but for a line every few seconds", () => {
    const output = record();
    const observe = lineObserver(openTerminal(output));
    for (let step = 1; step <= 8; step++) observe(training(step));
    observe({ kind: "serving", endpoint: "http://127.0.0.1:1" });
    expect(output.written).to.have.length(1);
    expect(output.written[0]).to.match(/^\d\d:\d\d:\d\d serving at http:\/\/127\.0\.0\.1:1\n$/);
  });

  it("is JSON lines with who and what, where they are asked for", () => {
    const output = record();
    const observe = jsonObserver(output, { role: "verifier", account: "0x01", task: 3n });
    observe({ kind: "fetched", bytes: 10 });
    observe({ kind: "claimed", amount: 2n ** 70n });
    observe({ kind: "retrying", action: "turn", error: new Error("no node") });
    const [claimed, retrying] = output.written.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(output.written).to.have.length(2);
    expect(claimed).to.include({
      level: "info",
      role: "verifier",
      account: "0x01",
      task: "3",
      kind: "claimed",
    });
    expect(claimed).to.include({ amount: String(2n ** 70n), msg: "claimed 1180.591620717411303424 tGRAD" });
    expect(retrying).to.include({ level: "warn", kind: "retrying", error: "no node" });
  });

  it("tells of a lasting fault once, and of each new one", () => {
    const told: string[] = [];
    const observe = unrepeated((event) => told.push(eventLine(event)!));
    const retry = (message: string): RoleEvent => ({
      kind: "retrying",
      action: "turn",
      error: new Error(message),
    });
    for (const message of ["a", "a", "b", "a"]) observe(retry(message));
    expect(told).to.deep.equal(["a", "b", "a"].map((message) => `trying again (turn): ${message}`));
  });
});
