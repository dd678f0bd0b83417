import { id, parseEther } from "ethers";
import type { Gradwork } from "../../clients/chain/connection.ts";
import { queryEvents } from "../../clients/chain/events.ts";
import { named } from "../../clients/chain/phase.ts";
import { NODE_ROLES, QUERY_ENDS, roleIndex } from "../../clients/chain/queryView.ts";
import { send } from "../../clients/chain/transactions.ts";
import { embeddedModelFolder } from "../../clients/inference/embedded.ts";
import type { Generator } from "../../clients/inference/generator.ts";
import { openLocalModel } from "../../clients/inference/localModel.ts";
import { queueGenerator } from "../../clients/inference/queue.ts";
import { type Assessor, openAssessor } from "../../clients/quality/assessor.ts";
import { DEFAULT_MODEL_PARAMS, type ModelParams } from "../../clients/roles/defaults.ts";
import { wealthOf } from "../../clients/roles/money.ts";
import { type Company, type Ground, type Member, openCompany } from "./company.ts";

/** Of a query. Odd, as other amounts and shares are, so that every rounding shows. */
export const FEE = parseEther("60") + 11n;

/** Of an answer. */
export const PRICE = parseEther("2") + 1n;

/** Most queries of a scene. */
const MAX_QUERIES = 4n;

/** Full trust from the start, so that everybody is drawn where as many are wanted as there are. */
const PARAMS: ModelParams = {
  ...DEFAULT_MODEL_PARAMS,
  nodeStake: parseEther("500") + 3n,
  stakeCap: parseEther("500") + 3n,
  answerSeconds: 120n,
  commitSeconds: 80n,
  revealSeconds: 60n,
  burnShare: 100_003n,
  assessorShare: 300_007n,
  qualityFactor: 900_001n,
  costFactor: 500_009n,
  quorumShare: 600_000n,
  trustFloor: 1_000_000n,
  trustRate: 0n,
};

/** The embedded models: what responders answer with, and what assessors judge by. */
export type QueryEngines = { generator: Generator; judge: Assessor; close(): Promise<void> };

export type QuerySceneOptions = { params?: Partial<ModelParams> };

/** One model with its nodes, and who asks them. */
export type QueryScene = Company & {
  model: bigint;
  params: ModelParams;
  /** of which no block is made while they work */
  engines: Omit<QueryEngines, "close">;
  asker: Member;
  responders: Member[];
  assessors: Member[];
  /** How each query ended, in the order in which they were asked. */
  ends(): Promise<string[]>;
};

export async function openEngines(): Promise<QueryEngines> {
  const local = await openLocalModel({ model: embeddedModelFolder("llama") });
  const generator = queueGenerator(local, { concurrency: 1, waiting: 16 });
  const judge = await openAssessor({ model: embeddedModelFolder("cross-encoder") });
  return {
    generator,
    judge,
    async close() {
      await generator.close();
      await judge.close();
    },
  };
}

/** @param name from which everybody's keys follow, and so what they answer */
export async function openQueryScene(
  ground: Ground,
  name: string,
  { generator, judge }: QueryEngines,
  options: QuerySceneOptions = {},
): Promise<QueryScene> {
  const { registry, vault } = ground.gradwork;
  const model = await registry.modelCount();
  const params = { ...PARAMS, ...options.params };
  const earnedBy = async (address: string) => {
    const roles = NODE_ROLES.map((role) => registry.earnedOf(model, roleIndex(role), address));
    return (await Promise.all(roles)).reduce((sum, earned) => sum + earned);
  };
  // Of earlier scenes, whose nodes are gone.
  const heldBefore = await vault.balanceOf(registry);
  const company = await openCompany(ground, name, {
    wealthOf: async (gradwork: Gradwork, address: string) =>
      (await wealthOf(gradwork, address)) + (await earnedBy(address)),
    async escrow() {
      const earned = await Promise.all(company.members.map(({ address }) => earnedBy(address)));
      return earned.reduce((rest, amount) => rest - amount, (await vault.balanceOf(registry)) - heldBefore);
    },
  });
  const join: Company["join"] = (who, means) =>
    company.join(who, { privateKey: id(`${name}, ${who}`), ...means });
  const asker = await join("asker", { stake: 0n, tokens: MAX_QUERIES * FEE });
  const { gradwork, signal } = asker;
  await send(gradwork, gradwork.registry.registerModel, [params, id("adversaries"), ""], signal);

  return {
    ...company,
    join,
    model,
    params,
    engines: {
      generator: { ...generator, generate: (...of) => company.hold(() => generator.generate(...of)) },
      judge: { ...judge, assess: (...of) => company.hold(() => judge.assess(...of)) },
    },
    asker,
    responders: [],
    assessors: [],
    async ends() {
      const { quality, provider, deployment } = gradwork;
      const newest = await provider.getBlockNumber();
      const about = (event: string, ...topics: unknown[]) =>
        queryEvents(quality, event, topics, deployment.block, newest, signal);
      const asked = await about("Asked", null, model);
      const ended = [...(await about("Settled")), ...(await about("Released"))];
      return asked.map(({ args: { query } }) => {
        const ending = ended.find(({ args }) => args.query === query);
        if (ending === undefined) return "open";
        const how = named(QUERY_ENDS, ending.args.end);
        if (how !== "Settled") return how;
        return `${how} by the ${ending.args.isFast ? "fast" : "slow"} path`;
      });
    },
  };
}
