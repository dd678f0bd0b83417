import { expect } from "chai";
import type { GenerateOptions, Generator } from "../../clients/inference/generator.ts";
import { queueGenerator } from "../../clients/inference/queue.ts";
import { GradworkError } from "../../clients/model/errors.ts";
import { thrownBy } from "../model/thrown.ts";
import { failureOf } from "./failure.ts";

const REFUSED = "refused";

/** A generator whose answers the test gives: to `finish` one is to answer its prompt. */
function byHand() {
  const under: { prompt: string; finish: () => void; fail: (error: Error) => void }[] = [];
  const log: string[] = [];
  let most = 0;
  const generator: Generator = {
    check(prompt) {
      if (new TextDecoder().decode(prompt) === REFUSED)
        throw new GradworkError("PROMPT_TOO_LONG", "too long");
    },
    generate(bytes, { signal }) {
      const prompt = new TextDecoder().decode(bytes);
      log.push(prompt);
      return new Promise((resolve, reject) => {
        const done = () => under.splice(under.indexOf(work), 1);
        const work = {
          prompt,
          finish() {
            done();
            resolve({ text: `after ${prompt}`, truncated: false });
          },
          fail(error: Error) {
            done();
            reject(error);
          },
        };
        signal.addEventListener("abort", () => work.fail(signal.reason));
        under.push(work);
        most = Math.max(most, under.length);
      });
    },
    async close() {
      log.push("closed");
    },
  };
  return { generator, under, log, most: () => most };
}

/** Lets all promises that can go on do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("queue of prompts", () => {
  const options = (signal = new AbortController().signal): GenerateOptions => ({
    maxTokens: 5,
    seed: 1,
    signal,
  });
  const ask = (queue: Generator, prompt: string, signal?: AbortSignal) =>
    queue.generate(new TextEncoder().encode(prompt), options(signal));

  it("answers so many prompts at once, the others in the order in which they came", async () => {
    const { generator, under, log, most } = byHand();
    const queue = queueGenerator(generator, { concurrency: 2, waiting: 3 });
    const answers = ["a", "b", "c", "d", "e"].map((prompt) => ask(queue, prompt));
    await settle();
    expect(log).to.deep.equal(["a", "b"]);
    under[1]!.finish();
    await settle();
    expect(log).to.deep.equal(["a", "b", "c"]);
    while (under.length > 0) {
      under[0]!.finish();
      await settle();
    }
    expect(log).to.deep.equal(["a", "b", "c", "d", "e"]);
    expect(most()).to.equal(2);
    const texts = (await Promise.all(answers)).map(({ text }) => text);
    expect(texts).to.deep.equal(["after a", "after b", "after c", "after d", "after e"]);
  });

  it("refuses a prompt when it is full, and takes one again when there is room", async () => {
    const { generator, under } = byHand();
    const queue = queueGenerator(generator, { concurrency: 1, waiting: 1 });
    const first = ask(queue, "a");
    const second = ask(queue, "b");
    const { code, data } = await failureOf(ask(queue, "c"));
    expect([code, data]).to.deep.equal(["QUEUE_FULL", { concurrency: 1, waiting: 1 }]);
    under[0]!.finish();
    await first;
    const third = ask(queue, "d");
    await settle();
    under[0]!.finish();
    await second;
    await settle();
    under[0]!.finish();
    expect((await third).text).to.equal("after d");
  });

  it("refuses what the generator would refuse, whether there is room or not", async () => {
    const { generator, log } = byHand();
    const queue = queueGenerator(generator, { concurrency: 1, waiting: 0 });
    const stop = new AbortController();
    const first = ask(queue, "a", stop.signal);
    expect((await failureOf(ask(queue, REFUSED))).code).to.equal("PROMPT_TOO_LONG");
    expect(thrownBy(() => queue.check(new TextEncoder().encode(REFUSED), 5)).code).to.equal(
      "PROMPT_TOO_LONG",
    );
    expect(log).to.deep.equal(["a"]);
    stop.abort(new GradworkError("STOPPED", "stopped"));
    await failureOf(first);
  });

  it("takes an aborted prompt out of the line, and passes on the place of one that failed", async () => {
    const { generator, under, log } = byHand();
    const queue = queueGenerator(generator, { concurrency: 1, waiting: 2 });
    const stop = new AbortController();
    const first = ask(queue, "a");
    const second = ask(queue, "b", stop.signal);
    const third = ask(queue, "c");
    stop.abort(new GradworkError("STOPPED", "stopped"));
    expect((await failureOf(second)).code).to.equal("STOPPED");
    under[0]!.fail(new GradworkError("BROKEN", "broken"));
    expect((await failureOf(first)).code).to.equal("BROKEN");
    await settle();
    expect(log).to.deep.equal(["a", "c"]);
    under[0]!.finish();
    expect((await third).text).to.equal("after c");
    expect((await failureOf(ask(queue, "d", stop.signal))).code).to.equal("STOPPED");
    expect(log).to.deep.equal(["a", "c"]);
  });

  it("is closed when what is under way is answered; those that wait are refused", async () => {
    const { generator, under, log } = byHand();
    const queue = queueGenerator(generator, { concurrency: 1, waiting: 2 });
    const first = ask(queue, "a");
    const second = failureOf(ask(queue, "b"));
    const closing = queue.close();
    expect((await second).code).to.equal("QUEUE_CLOSED");
    expect((await failureOf(ask(queue, "c"))).code).to.equal("QUEUE_CLOSED");
    await settle();
    expect(log).to.deep.equal(["a"]);
    under[0]!.finish();
    await closing;
    expect((await first).text).to.equal("after a");
    expect(log).to.deep.equal(["a", "closed"]);
  });
});
