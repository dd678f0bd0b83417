// Miners whose trees hold something else than the rules give.
import { contractInterface } from "../../clients/chain/artifacts.ts";
import { named, VERDICTS } from "../../clients/chain/phase.ts";
import { commitModel } from "../../clients/model/commitment.ts";
import { drawIndices } from "../../clients/model/draws.ts";
import {
  FULL_LEAF_BYTES,
  leafCount,
  PARAMETERS_PER_LEAF,
  QUANT_LEAF_BYTES,
} from "../../clients/model/geometry.ts";
import { buildTree } from "../../clients/model/merkle.ts";
import { parameterBytes } from "../../clients/model/parameters.ts";
import { applyUpdate } from "../../clients/model/update.ts";
import { type Head, quantReference } from "../../clients/roles/head.ts";
import { type Candidate, HONEST_MINER, type MinerConduct } from "../../clients/roles/miner.ts";
import { NO_LEAVES, openNew, openOld, openUpdate } from "../../clients/roles/opening.ts";
import { NEGATIVE_REASONS } from "../../clients/roles/statements.ts";
import { actUnlessDone } from "../../clients/roles/turns.ts";
import type { Adversary, Expected } from "./adversary.ts";
import {
  accusations,
  confirmed,
  demanded,
  eventsOf,
  feeTo,
  funded,
  insist,
  insistFewAccusations,
  insistOutcome,
  joinMiner,
  playRound,
  proverOf,
  rootOf,
  slashed,
  startInOrder,
  startMiner,
  startVerifiers,
  startWatch,
  sum,
  unmoved,
} from "./cast.ts";
import type { Member } from "./company.ts";
import type { Scene } from "./taskScene.ts";

const FORGED_LEAF = 97;
const FORGED_ELEMENT = 5;

/** Past the last leaf, which is 152, and below the tree's 256 places. */
const FORGED_PLACE = 200;

/** The largest scale and the largest level: 6 · 2^125. */
const LARGEST_SCALE = 252;
const LARGEST_CODE = 7;
/** With one step of that size more it is past float32's largest, 3.4e38. */
const LARGE_PARAMETER = 3e38;

/** A model whose parameters differ in one leaf from what the update gives. */
export const FORGE_PARAMETER: Partial<MinerConduct> = {
  commit(base, update) {
    const honest = HONEST_MINER.commit(base, update);
    const parameters = honest.model.parameters.slice();
    parameters[FORGED_LEAF * PARAMETERS_PER_LEAF + FORGED_ELEMENT]! += 0.5;
    return { ...honest, model: { parameters, commitment: commitModel(parameters) } };
  },
};

/** The leaves of a model, and after them some zeros and a leaf that is not. */
function withPadding(parameters: Float32Array): Uint8Array {
  const leaves = new Uint8Array((FORGED_PLACE + 1) * FULL_LEAF_BYTES);
  leaves.set(parameterBytes(parameters));
  leaves.fill(1, FORGED_PLACE * FULL_LEAF_BYTES);
  return leaves;
}

/** A tree that holds something at a place where nothing belongs; serves all of it, and shows every other place. */
const FORGE_PADDING: Partial<MinerConduct> = {
  commit(base, update) {
    const honest = HONEST_MINER.commit(base, update);
    const { parameters, commitment } = honest.model;
    const fullTree = buildTree(withPadding(parameters), FULL_LEAF_BYTES);
    return { ...honest, model: { parameters, commitment: { ...commitment, fullTree } } };
  },
  async store(mining, candidate, last) {
    await HONEST_MINER.store(mining, candidate, last);
    const leaves = withPadding(candidate.model.parameters);
    await mining.party.store.put(leaves, { leafLength: FULL_LEAF_BYTES, sealed: true });
  },
  answerDemand: (...of) => HONEST_MINER.answerDemand(...of).catch(() => true),
};

/** A 4-bit form in which one code is the next one. */
const FORGE_QUANTIZATION: Partial<MinerConduct> = {
  commit(base, update) {
    const honest = HONEST_MINER.commit(base, update);
    const { parameters, commitment } = honest.model;
    const quantLeaves = commitment.quantLeaves.slice();
    quantLeaves[FORGED_LEAF * QUANT_LEAF_BYTES + QUANT_LEAF_BYTES - 1]! ^= 1;
    const quantTree = buildTree(quantLeaves, QUANT_LEAF_BYTES);
    return { ...honest, model: { parameters, commitment: { ...commitment, quantLeaves, quantTree } } };
  },
};

/** An update with a scale byte that is none, beside the model that it would give without. */
const BREAK_ENCODING: Partial<MinerConduct> = {
  commit(base, update) {
    const broken = update.slice();
    broken[FORGED_LEAF * QUANT_LEAF_BYTES] = LARGEST_SCALE + 1;
    const updateTree = buildTree(broken, QUANT_LEAF_BYTES);
    return { ...HONEST_MINER.commit(base, update), update: broken, updateTree };
  },
};

/** The largest step for a parameter that is too large for it, beside a model in which it never happened. */
const OVERFLOW: Partial<MinerConduct> = {
  async train(_mining, head) {
    const update = new Uint8Array(leafCount(head.parameters.length) * QUANT_LEAF_BYTES);
    const leaf = update.subarray(FORGED_LEAF * QUANT_LEAF_BYTES);
    leaf[0] = LARGEST_SCALE;
    leaf[QUANT_LEAF_BYTES - PARAMETERS_PER_LEAF / 2 + (FORGED_ELEMENT >> 1)] = LARGEST_CODE << 4;
    const parameters = head.parameters.slice();
    // Other than the head, which would be a duplicate.
    parameters[0]! += 1;
    const model = { parameters, commitment: commitModel(parameters) };
    return { base: head, update, updateTree: buildTree(update, QUANT_LEAF_BYTES), model };
  },
};

/** Always trains from the first head it saw. */
function trainFromFirstHead(): Partial<MinerConduct> {
  let first: Head | undefined;
  return {
    train(mining, head, round, signal) {
      first ??= head;
      return HONEST_MINER.train(mining, first, round, signal);
    },
  };
}

/** Serves the update and nothing that shows where the model differs. */
const SERVE_UPDATE_ONLY: Partial<MinerConduct> = {
  async publish({ party }, { updateRoot }) {
    await party.store.publish(updateRoot);
  },
};

/** Once a leaf is demanded, shows the forged one by itself, for the prover's half of its bond. */
function proveOneself(): Partial<MinerConduct> {
  let own: Candidate;
  return {
    ...SERVE_UPDATE_ONLY,
    commit(base, update) {
      own = FORGE_PARAMETER.commit!(base, update);
      return own;
    },
    async answerDemand({ party, definition }) {
      const { disputes } = party.gradwork;
      const place = [definition.taskId, 1n, 0] as const;
      if ((await disputes.openDemands(...place)) === 0n) return false;
      const opening = {
        ...NO_LEAVES,
        ...openOld(own.base, FORGED_LEAF),
        ...openUpdate(own, FORGED_LEAF),
        ...openNew(own.model, FORGED_LEAF),
      };
      await actUnlessDone(party, 1n, disputes.proveFraud, [...place, FORGED_LEAF, opening]);
      return true;
    },
  };
}

/** What a convicted miner loses, and who gets what of it. */
function convicted({ params }: Scene, miner: Member, prover: Member | undefined): Record<string, bigint> {
  const fee = params.proposalFee;
  return sum(slashed(miner, params.minerBond, prover), { [miner.name]: -fee, escrow: fee });
}

/** Whether the first proposal's leaf check drew a leaf. */
async function isDrawn({ taskId, params, prepared, owner }: Scene, leaf: number): Promise<boolean> {
  const { seed } = await owner.gradwork.market.round(taskId, 1n);
  const leaves = leafCount(prepared.genesis.parameterCount);
  return drawIndices(seed, "LEAF", taskId, 1n, 0n, Number(params.leafChecks), leaves).includes(leaf);
}

/** Which leaves a fraud proof of the first round showed. */
async function shownLeaves(scene: Scene): Promise<string[]> {
  const { provider, disputes } = scene.owner.gradwork;
  const [proved] = await eventsOf(scene, disputes, "FraudProved", 1n, 0);
  insist(proved !== undefined, "no fraud was proved");
  const transaction = await provider.getTransaction(proved.transactionHash);
  const call = contractInterface("Disputes").parseTransaction(transaction!);
  insist(call?.name === "proveFraud", `the fraud was proved by ${call?.name}`);
  const leaves = ["oldLeaf", "updateLeaf", "newLeaf", "quantLeaf"];
  return leaves.filter((leaf) => call.args.opening[leaf] !== "0x");
}

/** A forger and a watch, that proves the forgery with some leaves, or corners it where those can't be had. */
async function playForger(
  scene: Scene,
  conduct: Partial<MinerConduct>,
  evidence: string[] | "demands",
): Promise<Expected & { watch: Member; isCaughtByWatch: boolean }> {
  const genesis = await scene.head();
  const watch = await startWatch(scene, 100n * scene.params.demandDeposit);
  const miner = await joinMiner(scene);
  startMiner(scene, miner, conduct);
  await scene.final(1n);
  const prover = await proverOf(scene, 1n);
  if (prover === undefined) {
    insist(await isDrawn(scene, FORGED_LEAF), "nobody proved it, and the leaf check did not draw it");
  } else {
    insist(prover === watch, `${prover.name} proved it`);
    insistFewAccusations(scene, watch);
    if (evidence !== "demands") {
      const shown = await shownLeaves(scene);
      insist(shown.join() === evidence.join(), `${shown} were shown, ${evidence} were needed`);
    }
  }
  const changes = sum(funded(scene), convicted(scene, miner, prover), await demanded(scene, miner, 1n, 0));
  return { head: genesis, changes, watch, isCaughtByWatch: prover === watch };
}

/** That the watch's log names the leaf, the element, and both values. */
async function playForgedParameter(scene: Scene): Promise<Expected> {
  const played = await playForger(scene, FORGE_PARAMETER, ["oldLeaf", "updateLeaf", "newLeaf"]);
  if (!played.isCaughtByWatch) return played;
  const { contents, genesis } = scene.prepared;
  const { updateRoot } = await scene.owner.gradwork.market.proposal(scene.taskId, 1n, 0);
  const update = await played.watch.store.read(quantReference(updateRoot, genesis.parameterCount));
  const index = FORGED_LEAF * PARAMETERS_PER_LEAF + FORGED_ELEMENT;
  const expected = applyUpdate(contents.parameters, update)[index]!;
  const said = { leaf: FORGED_LEAF, element: FORGED_ELEMENT, expected, given: Math.fround(expected + 0.5) };
  const [difference] = played.watch.events.flatMap((event) => (event.kind === "difference" ? [event] : []));
  for (const [name, value] of Object.entries(said)) {
    const given = difference?.detail[name];
    insist(given === value, `the watch says ${name} ${given}, it is ${value}`);
  }
  return played;
}

/**
 * Verifiers that can't pay for demands find what they can't prove, vote against it, and still look at the proposal after
 * it.
 */
async function playVotedDown(scene: Scene): Promise<Expected> {
  const { params, owner } = scene;
  const [verifier] = await startVerifiers(scene, 1);
  const forger = await joinMiner(scene, "forger");
  const miner = await joinMiner(scene);
  await startInOrder(scene, 1n, [
    () => startMiner(scene, forger, { ...FORGE_PARAMETER, ...SERVE_UPDATE_ONLY }),
    () => startMiner(scene, miner),
  ]);
  await scene.final(1n);
  const head = await rootOf(scene, 1n, 1);
  const honest = confirmed(scene, miner, [verifier!]);
  if ((await isDrawn(scene, FORGED_LEAF)) && (await proverOf(scene, 1n)) === undefined) {
    await insistOutcome(scene, 1n, 0, "Fraud");
    return { head, changes: sum(funded(scene), honest, convicted(scene, forger, undefined)) };
  }
  await insistOutcome(scene, 1n, 0, "Rejected");
  const { committee } = owner.gradwork;
  const [revealed] = await eventsOf(scene, committee, "AttestationRevealed", 1n, verifier!.address);
  const { verdict, reason } = revealed!.args.votes[0];
  const said = [named(VERDICTS, verdict), NEGATIVE_REASONS[Number(reason)]].join(", ");
  insist(said === "Negative, full root differs", `the verdict on chain is ${said}`);
  const lost = (params.minerBond * params.rejectionBps) / 10_000n;
  const changes = sum(funded(scene), honest, feeTo(scene, forger, [verifier!]), slashed(forger, lost));
  return { head, changes };
}

/** A miner that wins a round, and in the next proposes what it trained from the head before. */
async function playStaleHead(scene: Scene): Promise<Expected> {
  const [verifier] = await startVerifiers(scene, 1);
  const miner = await joinMiner(scene, "miner", 2n);
  startMiner(scene, miner, trainFromFirstHead(), { rounds: 2 });
  await scene.final(2n);
  insist((await proverOf(scene, 2n)) === verifier, "the verifier did not prove it");
  insistFewAccusations(scene, verifier!);
  const won = confirmed(scene, miner, [verifier!]);
  const changes = sum(funded(scene, 2n), won, convicted(scene, miner, verifier));
  return { head: await rootOf(scene, 1n), changes };
}

/** A miner that is its own prover, and a watch that gets nothing but the deposit of its demand. */
async function playOwnProver(scene: Scene): Promise<Expected> {
  const watch = await startWatch(scene, scene.params.demandDeposit);
  const miner = await playRound(scene, proveOneself());
  insist((await proverOf(scene, 1n)) === miner, "the miner did not prove it");
  insist(accusations(watch).demand === 1, "the watch did not demand a leaf");
  return unmoved(scene, convicted(scene, miner, miner), await demanded(scene, miner, 1n, 0));
}

export const FORGERS: Adversary[] = [
  {
    name: "forged-parameter-leaf",
    title: "a miner changes one parameter of its model and serves the leaf hashes: a watch proves the leaf",
    play: playForgedParameter,
  },
  {
    name: "forged-parameter-leaf-unserved",
    title: "a miner changes one parameter and serves its update only: a watch corners the leaf by demands",
    play: (scene) => playForger(scene, { ...FORGE_PARAMETER, ...SERVE_UPDATE_ONLY }, "demands"),
  },
  {
    name: "forged-parameter-leaf-voted-down",
    title: "the same, and a verifier without tokens for demands: it votes it down, and the honest one in",
    options: { params: { proposalSeconds: 12n } },
    play: playVotedDown,
  },
  {
    name: "forged-padding-place",
    title: "a miner hides a leaf past its model's last, which no list shows: a watch corners it by demands",
    play: (scene) => playForger(scene, FORGE_PADDING, "demands"),
  },
  {
    name: "forged-quantized-leaf",
    title: "a miner changes one code of its model's 4-bit form: a watch proves the leaf",
    play: (scene) => playForger(scene, FORGE_QUANTIZATION, ["newLeaf", "quantLeaf"]),
  },
  {
    name: "forged-quantized-leaf-unserved",
    title: "the same, and it serves its update only: a watch corners the leaf by demands",
    play: (scene) => playForger(scene, { ...FORGE_QUANTIZATION, ...SERVE_UPDATE_ONLY }, "demands"),
  },
  {
    name: "invalid-encoding",
    title: "a miner's update has a scale that is none: a watch proves it by the update's leaf alone",
    play: (scene) => playForger(scene, BREAK_ENCODING, ["updateLeaf"]),
  },
  {
    name: "non-finite-sum",
    title: "a miner's update takes a parameter past float32: a watch proves it without the new model",
    options: {
      genesis: (parameters) => {
        parameters[FORGED_LEAF * PARAMETERS_PER_LEAF + FORGED_ELEMENT] = LARGE_PARAMETER;
      },
    },
    play: (scene) => playForger(scene, OVERFLOW, ["oldLeaf", "updateLeaf"]),
  },
  {
    name: "stale-head",
    title: "a miner proposes an update of the head before: a verifier proves that it leads elsewhere",
    options: { rounds: 2n },
    play: playStaleHead,
  },
  {
    name: "own-prover",
    title: "a miner whose forgery is being cornered proves it first: half of its bond is lost all the same",
    play: playOwnProver,
  },
];
