// Miners who forge nothing: they train badly or not at all, withhold, stay silent, or copy.
import { contractInterface } from "../../clients/chain/artifacts.ts";
import { leafCount, QUANT_LEAF_BYTES } from "../../clients/model/geometry.ts";
import { decodeLeaves, encodeLeaves } from "../../clients/model/mxfp4.ts";
import { quantReference } from "../../clients/roles/head.ts";
import { type Candidate, HONEST_MINER, type MinerConduct } from "../../clients/roles/miner.ts";
import { act, obtain } from "../../clients/roles/party.ts";
import type { Adversary, Expected } from "./adversary.ts";
import {
  confirmed,
  eventsOf,
  feeTo,
  insist,
  insistOutcome,
  joinMiner,
  memberOf,
  moved,
  playRound,
  rejected,
  requireRefusals,
  rootOf,
  slashed,
  startInOrder,
  startMiner,
  startOne,
  startVerifiers,
  tryInVain,
  unmoved,
} from "./cast.ts";
import type { Member } from "./company.ts";
import type { Scene } from "./taskScene.ts";

/** Time for a second miner to come after the first has proposed. */
const LONG_PROPOSAL_WINDOW = { params: { proposalSeconds: 12n } };

/* CONDUCTS */

/** Proposes what it learned in another order and sixteen times as large, which makes the model worse. */
export const SPOIL: Partial<MinerConduct> = {
  async train(mining, head, round, signal) {
    const { base, update } = await HONEST_MINER.train(mining, head, round, signal);
    const learned = decodeLeaves(update, base.parameters.length);
    return HONEST_MINER.commit(base, encodeLeaves(learned.reverse().map((value) => 16 * value)));
  },
};

/** Learns nothing. */
const STAND_STILL: Partial<MinerConduct> = {
  async train(_mining, head) {
    return HONEST_MINER.commit(head, new Uint8Array(leafCount(head.parameters.length) * QUANT_LEAF_BYTES));
  },
};

/** Serves nobody. */
export const WITHHOLD: Partial<MinerConduct> = { publish: async () => {} };

/** Serves nobody, but hands its update to somebody. */
function handTo({ store }: Member): Partial<MinerConduct> {
  return {
    async publish({ party, definition }, { updateRoot }) {
      const reference = quantReference(updateRoot, definition.genesis.parameters.length);
      await store.put(await party.store.read(reference), { leafLength: QUANT_LEAF_BYTES });
    },
  };
}

/** Seals what the first in the round sealed, and shows what that one shows. */
function copySealed(scene: Scene): Partial<MinerConduct> {
  return {
    ...STAND_STILL,
    async propose({ party, definition }, { number, proposals }) {
      const { market } = party.gradwork;
      await act(party, number, market.propose, [definition.taskId, number, proposals[0]!.commitment]);
    },
    async open({ party }, { number }, own) {
      const { market, provider } = party.gradwork;
      const [opened] = await eventsOf(scene, market, "ProposalOpened", number, 0);
      if (opened === undefined || memberOf(scene, party.address).refusals.length > 0) return;
      const { data } = (await provider.getTransaction(opened.transactionHash))!;
      const [taskId, , ...shown] = contractInterface("TrainingMarket").decodeFunctionData(
        "openProposal",
        data,
      );
      await tryInVain(scene, party, "CommitmentMismatch", market.openProposal, [taskId, own, ...shown]);
    },
  };
}

/** Takes the first round's update and writes one of its zeros as -0: other bytes, the same model. */
const REWRITE_COPY: Partial<MinerConduct> = {
  async train({ party, definition }, head) {
    const { market } = party.gradwork;
    const { updateRoot } = await market.proposal(definition.taskId, 1n, 0);
    const update = (await obtain(party, quantReference(updateRoot, head.parameters.length), [])).slice();
    const scales = QUANT_LEAF_BYTES - 128;
    const at = update.findIndex((byte, i) => i % QUANT_LEAF_BYTES >= scales && (byte & 15) === 0);
    update[at]! |= 8;
    return HONEST_MINER.commit(head, update);
  },
};

/** Trains once, and keeps what it trained for whoever proposes it. */
function trainOnce(): Partial<MinerConduct> {
  let trained: Promise<Candidate> | undefined;
  return {
    train(...of) {
      trained ??= HONEST_MINER.train(...of);
      return trained;
    },
  };
}

/* ROUNDS */

async function playWithheld(scene: Scene): Promise<Expected> {
  const verifiers = await startVerifiers(scene, 2);
  const miner = await playRound(scene, WITHHOLD);
  await insistOutcome(scene, 1n, 0, "Void");
  for (const verifier of verifiers) {
    const hasLooked = verifier.events.some(
      (event) => event.kind === "retrying" && event.action === "fetch the update",
    );
    insist(hasLooked, `${verifier.name} did not look for the update`);
    insistVerdict(verifier, "Unavailable");
  }
  return unmoved(scene, feeTo(scene, miner, []));
}

function insistVerdict({ name, events }: Member, expected: string): void {
  const given = events.flatMap((event) => (event.kind === "attested" ? event.verdicts : []));
  insist(given.join() === expected, `${name} attested ${given.join() || "nothing"}, not ${expected}`);
}

async function playWithheldFromOne(scene: Scene): Promise<Expected> {
  const [favoured, victim] = await Promise.all([
    startOne(scene, "favoured", {}),
    startOne(scene, "victim", {}),
  ]);
  const miner = await joinMiner(scene);
  startMiner(scene, miner, handTo(favoured));
  await scene.final(1n);
  insist(miner.server.bytesServed === 0, "the miner served somebody");
  insistVerdict(victim, "Positive");
  return moved(scene, confirmed(scene, miner, [favoured, victim]));
}

/** A miner that leaves out a step whose want takes its whole bond. */
async function playSilent(
  scene: Scene,
  silence: Partial<MinerConduct>,
  outcome: "Unopened" | "Unchecked",
): Promise<Expected> {
  const miner = await playRound(scene, silence);
  await insistOutcome(scene, 1n, 0, outcome);
  return unmoved(scene, feeTo(scene, miner, []), slashed(miner, scene.params.minerBond));
}

async function playCopySealed(scene: Scene): Promise<Expected> {
  const verifier = await startOne(scene, "verifier", {});
  const miner = await joinMiner(scene);
  const copier = await joinMiner(scene, "copier");
  await startInOrder(scene, 1n, [
    () => startMiner(scene, miner),
    () => startMiner(scene, copier, copySealed(scene)),
  ]);
  await scene.final(1n);
  requireRefusals(copier, ["CommitmentMismatch"]);
  await insistOutcome(scene, 1n, 1, "Unopened");
  return moved(
    scene,
    confirmed(scene, miner, [verifier]),
    feeTo(scene, copier, []),
    slashed(copier, scene.params.minerBond),
  );
}

/** A round that is void for want of verifiers shows an update; who copies it is first in the next round. */
async function playCopyAfterVoid(scene: Scene): Promise<Expected> {
  const miner = await joinMiner(scene, "miner", 2n);
  const conduct = trainOnce();
  startMiner(scene, miner, conduct);
  await scene.final(1n);
  await insistOutcome(scene, 1n, 0, "Void");
  await scene.ending(miner);
  const verifier = await startOne(scene, "verifier", {});
  const copier = await joinMiner(scene, "copier");
  await startInOrder(scene, 2n, [
    () => startMiner(scene, copier, REWRITE_COPY),
    () => startMiner(scene, miner, conduct),
  ]);
  await scene.final(2n);
  await insistOutcome(scene, 2n, 0, "Duplicate");
  const { market } = scene.owner.gradwork;
  const [copy, own] = await market.proposals(scene.taskId, 2n);
  insist(copy!.fullRoot === own!.fullRoot && copy!.updateRoot !== own!.updateRoot, "it is no other update");
  return moved(scene, feeTo(scene, miner, []), feeTo(scene, copier, []), confirmed(scene, miner, [verifier]));
}

async function playTwoAccounts(scene: Scene): Promise<Expected> {
  const verifier = await startOne(scene, "verifier", {});
  const miner = await joinMiner(scene);
  const second = await joinMiner(scene, "second account");
  const conduct = trainOnce();
  await startInOrder(scene, 1n, [
    () => startMiner(scene, miner, conduct),
    () => startMiner(scene, second, conduct),
  ]);
  await scene.final(1n);
  await insistOutcome(scene, 1n, 1, "Duplicate");
  insist((await rootOf(scene, 1n, 1)) === (await rootOf(scene, 1n)), "the models differ");
  return moved(scene, confirmed(scene, miner, [verifier]), feeTo(scene, second, []));
}

export const MINERS: Adversary[] = [
  {
    name: "worse-model",
    title: "a miner's update raises the loss: verifiers measure it, and it costs a twentieth of the bond",
    async play(scene) {
      const verifier = await startOne(scene, "verifier", {});
      const miner = await playRound(scene, SPOIL);
      await insistOutcome(scene, 1n, 0, "Rejected");
      return unmoved(scene, feeTo(scene, miner, [verifier]), rejected(scene, miner));
    },
  },
  {
    name: "zero-update",
    title: "a miner proposes the head as it is: a duplicate, whose fee is lost and whose bond is not",
    async play(scene) {
      const miner = await playRound(scene, STAND_STILL);
      await insistOutcome(scene, 1n, 0, "Duplicate");
      return unmoved(scene, feeTo(scene, miner, []));
    },
  },
  {
    name: "withheld-update",
    title: "a miner serves its update to nobody: verifiers look for it and abstain, the round is void",
    play: playWithheld,
  },
  {
    name: "withheld-from-one",
    title: "a miner lets one verifier have its update and no other: that one serves it on, all attest",
    play: playWithheldFromOne,
  },
  {
    name: "unopened-proposal",
    title: "a miner never opens what it sealed: its bond is burned",
    play: (scene) => playSilent(scene, { open: async () => {} }, "Unopened"),
  },
  {
    name: "unchecked-leaves",
    title: "a miner does not show the drawn leaves: its bond is burned",
    play: (scene) => playSilent(scene, { checkLeaves: async () => {} }, "Unchecked"),
  },
  {
    name: "copied-seal",
    title: "a second miner seals what the first sealed: it holds the first's address, and can't be opened",
    options: LONG_PROPOSAL_WINDOW,
    play: playCopySealed,
  },
  {
    name: "copied-after-void",
    title: "a miner proposes a void round's model by another update: a duplicate, though it is first",
    options: LONG_PROPOSAL_WINDOW,
    play: playCopyAfterVoid,
  },
  {
    name: "two-accounts",
    title: "a miner proposes one model from two accounts: the second is a duplicate, the first is paid",
    options: LONG_PROPOSAL_WINDOW,
    play: playTwoAccounts,
  },
];
