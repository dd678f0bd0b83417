import { expect } from "chai";
import type { TaskView } from "../../clients/chain/taskView.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import type { Actor } from "../../clients/roles/party.ts";
import { isTurnOf, persist } from "../../clients/roles/turns.ts";

const BLOCK_MS = 1_000;

/** What turns read of an actor: how long a block is, who watches, when to stop. */
function actorOf(blockMs: number, events: RoleEvent[] = [], signal = new AbortController().signal): Actor {
  return {
    gradwork: { blockMs, pollMs: blockMs / 4 },
    observe: (event: RoleEvent) => events.push(event),
    signal,
  } as unknown as Actor;
}

describe("turns at a call that anyone may make", () => {
  const actor = actorOf(BLOCK_MS);
  const since = 1_000n;
  const firstTurn = (rank: number): bigint => {
    for (let waited = 0n; waited < 100n; waited++) {
      if (isTurnOf(actor, { timestamp: since + waited } as TaskView, rank, since)) return waited;
    }
    throw new Error(`no turn for rank ${rank}`);
  };

  it("begin at once for the first in rank", () => {
    expect(firstTurn(0)).to.equal(0n);
  });

  it("come three blocks later for each that follows", () => {
    expect([1, 2, 3].map(firstTurn)).to.deep.equal([3n, 6n, 9n]);
  });

  it("have not come before the call is possible", () => {
    expect(isTurnOf(actor, { timestamp: since - 1n } as TaskView, 0, since)).to.equal(false);
  });
});

describe("work that depends on others", () => {
  it("is tried again while they fail, and each failure is told", async () => {
    const events: RoleEvent[] = [];
    let tries = 0;
    const result = await persist(actorOf(1, events), "load the task", async () => {
      if (++tries < 3) throw new GradworkError("BLOB_UNAVAILABLE", "nobody has it yet");
      return "loaded";
    });
    expect(result).to.equal("loaded");
    expect(events.map((event) => event.kind === "retrying" && event.action)).to.deep.equal([
      "load the task",
      "load the task",
    ]);
  });

  it("ends at a fault that will not pass", async () => {
    const fault = new GradworkError("TASK_INCONSISTENT", "the files give another root");
    let caught: unknown;
    await persist(actorOf(1), "load the task", async () => {
      throw fault;
    }).catch((error) => {
      caught = error;
    });
    expect(caught).to.equal(fault);
  });

  it("ends when it is told to stop, with the reason", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const endless = persist(actorOf(1, [], stop.signal), "load the task", async () => {
      throw new GradworkError("BLOB_UNAVAILABLE", "nobody has it yet");
    });
    stop.abort(reason);
    let caught: unknown;
    await endless.catch((error) => {
      caught = error;
    });
    expect(caught).to.equal(reason);
  });
});
