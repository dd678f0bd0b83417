import { expect } from "chai";
import { GradworkError } from "../../../clients/model/errors.ts";
import type { Adversary } from "../../../scripts/adversaries/adversary.ts";
import { funded } from "../../../scripts/adversaries/cast.ts";
import { showAdversary } from "../../../scripts/demo/adversary.ts";

const { signal } = new AbortController();

/** Somebody who does nothing, of whom something is expected. */
function idler(burned: bigint, head?: string): Adversary {
  return {
    name: "idler",
    title: "somebody does nothing",
    async play(scene) {
      await scene.join("idler", { stake: 7n });
      scene.say("nothing happens");
      return { head: head ?? (await scene.head()), changes: { ...funded(scene), burned } };
    },
  };
}

/** Somebody who asks nothing, of whom queries with these ends are expected. */
function speechless(ends: string[]): Adversary {
  return {
    name: `speechless-${ends.length}`,
    title: "somebody asks nothing",
    playQueries: async () => ({ ends, changes: {} }),
  };
}

async function show(adversary: Adversary): Promise<{ lines: string[]; error?: GradworkError }> {
  const lines: string[] = [];
  try {
    await showAdversary(adversary, { say: (line) => void lines.push(line), show() {} }, signal);
    return { lines };
  } catch (error) {
    if (error instanceof GradworkError) return { lines, error };
    throw error;
  }
}

/** The values of a row of the table. */
function rowOf(lines: string[], name: string): string[] | undefined {
  return lines
    .find((line) => line.startsWith(`  ${name} `))
    ?.slice(name.length + 2)
    .trim()
    .split(/ {2,}/);
}

describe("an adversary played to a person", function () {
  this.timeout(120_000);

  it("is told, with what everybody has in the end beside what they must, and the head", async () => {
    const { lines, error } = await show(idler(0n));
    expect(error).to.equal(undefined);
    expect(lines[0]).to.equal("idler: somebody does nothing");
    expect(lines).to.include("nothing happens");
    expect(rowOf(lines, "change in tokens")).to.deep.equal(["expected", "actual"]);
    expect(rowOf(lines, "owner")).to.deep.equal(["-130", "-130"]);
    expect(rowOf(lines, "escrow")).to.deep.equal(["+130", "+130"]);
    expect(rowOf(lines, "burned")).to.equal(undefined);
    expect(rowOf(lines, "head, actual")?.[0]).to.match(/^0x[0-9a-f]{64}$/);
    expect(rowOf(lines, "head, actual")).to.deep.equal(rowOf(lines, "head, expected"));
  });

  it("fails where somebody has anything else, or the head is another", async () => {
    const head = `0x${"ab".repeat(32)}`;
    const { lines, error } = await show(idler(1n, head));
    expect(error).to.include({ code: "NOT_AS_EXPECTED" });
    expect(error!.data.wrong).to.deep.equal(["burned", "head"]);
    expect(rowOf(lines, "burned")).to.deep.equal(["+0.000000000000000001", "0", "differs"]);
    expect(rowOf(lines, "head, expected")).to.deep.equal([head]);
  });

  it("fails where a query ended otherwise", async () => {
    expect((await show(speechless([]))).error).to.equal(undefined);
    const { lines, error } = await show(speechless(["Unfilled"]));
    expect(error!.data.wrong).to.deep.equal(["query 1"]);
    expect(rowOf(lines, "query 1, expected")).to.deep.equal(["Unfilled"]);
    expect(rowOf(lines, "query 1, actual")).to.equal(undefined);
  });
});
