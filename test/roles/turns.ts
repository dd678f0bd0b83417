import { expect } from "chai";
import type { TaskView } from "../../clients/chain/taskView.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import type { RoleEvent } from "../../clients/roles/observer.ts";
import type { Party } from "../../clients/roles/party.ts";
import { isTurnOf, persist } from "../../clients/roles/turns.ts";

const POLL_MS = 250;

/** What turns read of a party: how long a block is, who watches, when to stop. */
function partyOf(pollMs: number, events: RoleEvent[] = [], signal = new AbortController().signal): Party {
  return {
    gradwork: { pollMs },
    observe: (event: RoleEvent) => events.push(event),
    signal,
  } as unknown as Party;
}

describe("turns at a call that anyone may make", () => {
  const party = partyOf(POLL_MS);
  const since = 1_000n;
  const firstTurn = (rank: number): bigint => {
    let timestamp = since;
    while (!isTurnOf(party, { timestamp } as TaskView, rank, since)) timestamp++;
    return timestamp - since;
  };

  it("begin at once for the first in rank", () => {
    expect(firstTurn(0)).to.equal(0n);
  });

  it("come three blocks later for each that follows", () => {
    expect([1, 2, 3].map(firstTurn)).to.deep.equal([3n, 6n, 9n]);
  });

  it("have not come before the call is possible", () => {
    expect(isTurnOf(party, { timestamp: since - 1n } as TaskView, 0, since)).to.equal(false);
  });
});

describe("work that depends on others", () => {
  it("is tried again while they fail, and each failure is told", async () => {
    const events: RoleEvent[] = [];
    let tries = 0;
    const result = await persist(partyOf(1, events), "load the task", async () => {
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
    await persist(partyOf(1), "load the task", async () => {
      throw fault;
    }).catch((error) => {
      caught = error;
    });
    expect(caught).to.equal(fault);
  });

  it("ends when it is told to stop, with the reason", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const endless = persist(partyOf(1, [], stop.signal), "load the task", async () => {
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
