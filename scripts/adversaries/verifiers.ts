// Verifiers who say what they did not measure, or say it so that it must win, and those who lend a miner their votes.
import { randomBytes } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1";
import { computeAddress, toBeHex } from "ethers";
import { queryEvents } from "../../clients/chain/events.ts";
import { named, VERDICTS, type Verdict } from "../../clients/chain/phase.ts";
import { sleep } from "../../clients/chain/sleep.ts";
import { readTerms, type TaskView } from "../../clients/chain/taskView.ts";
import { toHex } from "../../clients/model/bytes.ts";
import { draw } from "../../clients/model/draws.ts";
import { sortitionWeight } from "../../clients/model/sortition.ts";
import { act } from "../../clients/roles/party.ts";
import {
  type AttestationStatement,
  attestationArguments,
  attestationCommitment,
  newSalt,
} from "../../clients/roles/statements.ts";
import { takeTurns } from "../../clients/roles/turns.ts";
import { HONEST_VERIFIER, type VerifierConduct, type Verifying } from "../../clients/roles/verifier.ts";
import type { Adversary, Expected } from "./adversary.ts";
import {
  confirmed,
  deviating,
  feeTo,
  funded,
  insist,
  joinMiner,
  memberOf,
  moved,
  playRound,
  proverOf,
  rejected,
  requireRefusals,
  rootOf,
  slashed,
  startKeeper,
  startMiner,
  startOne,
  startVerifiers,
  startWatch,
  sum,
  tryInVain,
  unmoved,
  untilEnrolled,
} from "./cast.ts";
import type { Member } from "./company.ts";
import { FORGE_PARAMETER } from "./forgers.ts";
import { SPOIL, WITHHOLD } from "./miners.ts";
import type { Scene } from "./taskScene.ts";

const MICRO_NATS = 1e6;

/* CONDUCTS */

/** What somebody says of all proposals alike, without looking at them. */
function stated(view: TaskView, lossBefore: number, vote: AttestationStatement["votes"][number]) {
  return { lossBefore: microNats(lossBefore), votes: view.proposals.map(() => vote), salt: newSalt() };
}

function microNats(nats: number): string {
  return Math.round(nats * MICRO_NATS).toString();
}

/** Says yes to everything, with losses in nats that it made up. */
export function sayYes(lossBefore: number, lossAfter: number): Partial<VerifierConduct> {
  return {
    inspect: async () => {},
    conclude: async (_, view) =>
      stated(view, lossBefore, { verdict: "Positive", reason: 0, lossAfter: microNats(lossAfter) }),
  };
}

/** Says of everything that it does not rebuild. */
const SAY_NO: Partial<VerifierConduct> = {
  inspect: async () => {},
  conclude: async (_, view) => stated(view, 0, { verdict: "Negative", reason: 3, lossAfter: "0" }),
};

const STAY_SILENT: Partial<VerifierConduct> = { reveal: async () => {} };

/** Waits for others' reveals, and reveals only where they say the same. */
function revealAmong(own: Verdict): Partial<VerifierConduct> {
  return {
    async reveal(verifying, view) {
      const { party, terms } = verifying;
      const { committee } = party.gradwork;
      const attesters = await committee.attesters(terms.taskId, view.number);
      const votes = await Promise.all(
        attesters.map(({ account }) => committee.vote(terms.taskId, view.number, account, 0)),
      );
      const shown = votes.map(({ verdict }) => named(VERDICTS, verdict)).filter((one) => one !== "None");
      const same = shown.filter((one) => one === own);
      if (2 * same.length > shown.length) await HONEST_VERIFIER.reveal(verifying, view);
    },
  };
}

/** Commits to what another committed to, and shows what that one shows. */
function copyCommitment(scene: Scene): Partial<VerifierConduct> {
  return {
    inspect: async () => {},
    async commit({ party, terms }, { number }) {
      const { committee } = party.gradwork;
      const [first] = await committee.attesters(terms.taskId, number);
      if (first === undefined) return;
      const { commitment } = await committee.attestation(terms.taskId, number, first.account);
      await act(party, number, committee.commitAttestation, [terms.taskId, number, commitment]);
    },
    async reveal(verifying, view) {
      const { party } = verifying;
      const shown = await readReveal(verifying, view.number);
      if (shown === undefined || hasTried(scene, party)) return;
      await tryInVain(scene, party, "CommitmentMismatch", party.gradwork.committee.revealAttestation, shown);
    },
  };
}

/** Says nothing until it knows what others say, and then the same. */
function copyReveal(scene: Scene): Partial<VerifierConduct> {
  return {
    inspect: async () => {},
    commit: async () => {},
    async reveal(verifying, view) {
      const { party, terms } = verifying;
      const { committee } = party.gradwork;
      const shown = await readReveal(verifying, view.number);
      if (shown === undefined || hasTried(scene, party)) return;
      const late = [terms.taskId, view.number, newSalt()];
      await tryInVain(scene, party, "WrongPhase", committee.commitAttestation, late);
      await tryInVain(scene, party, "NothingCommitted", committee.revealAttestation, shown);
    },
  };
}

/** Reveals, and then reveals the same again, and something else. */
function revealTwice(scene: Scene): Partial<VerifierConduct> {
  let own: AttestationStatement | undefined;
  return {
    async conclude(verifying, view, head) {
      own = await HONEST_VERIFIER.conclude(verifying, view, head);
      return own;
    },
    async reveal(verifying, view) {
      const { party, terms } = verifying;
      await HONEST_VERIFIER.reveal(verifying, view);
      if (own === undefined || hasTried(scene, party)) return;
      const other = { ...own, lossBefore: microNats(9) };
      for (const again of [own, other]) {
        const args = [terms.taskId, ...attestationArguments(again)];
        await tryInVain(scene, party, "AlreadyAttested", party.gradwork.committee.revealAttestation, args);
      }
    },
  };
}

/** Commits to a no, then wants it to have been a yes; at last reveals the no, because silence costs more. */
function changeVote(scene: Scene): Partial<VerifierConduct> {
  const regretted = { ...HONEST_VERIFIER, ...SAY_NO };
  const yes = (view: TaskView) =>
    stated(view, 5, { verdict: "Positive", reason: 0, lossAfter: microNats(4) });
  return {
    ...SAY_NO,
    async commit(verifying, view, head) {
      const { party, terms } = verifying;
      const { gradwork } = party;
      const { number } = view;
      await HONEST_VERIFIER.commit({ ...verifying, conduct: regretted }, view, head);
      const { commitment } = await gradwork.committee.attestation(terms.taskId, number, party.address);
      // The ordinary client waits for updates that it looks for.
      if (BigInt(commitment) === 0n) return;
      const duty = { gradwork, taskId: terms.taskId, round: number };
      const args = [terms.taskId, number, attestationCommitment(duty, yes(view))];
      await tryInVain(scene, party, "AlreadyAttested", gradwork.committee.commitAttestation, args);
    },
    async reveal(verifying, view) {
      const { party, terms } = verifying;
      if ((await readReveal(verifying, view.number)) === undefined) return;
      const { revealAttestation } = party.gradwork.committee;
      const args = [terms.taskId, ...attestationArguments(yes(view))];
      const isFirst = memberOf(scene, party.address).refusals.length === 1;
      if (isFirst) await tryInVain(scene, party, "CommitmentMismatch", revealAttestation, args);
      await HONEST_VERIFIER.reveal(verifying, view);
    },
  };
}

/** The arguments of the round's first `revealAttestation`; undefined before there is any. */
async function readReveal({ party, terms, definition }: Verifying, round: bigint) {
  const { committee, provider } = party.gradwork;
  const [first] = await queryEvents(
    committee,
    "AttestationRevealed",
    [terms.taskId, round],
    definition.registeredAt,
    await provider.getBlockNumber(),
    party.signal,
  );
  const transaction = await first?.getTransaction();
  return transaction && committee.interface.parseTransaction(transaction)!.args.toArray(true);
}

function hasTried(scene: Scene, { address }: Verifying["party"]): boolean {
  return memberOf(scene, address).refusals.length > 0;
}

/* ROUNDS */

/** Two who made up losses, and one who measured, on an honest miner's round. */
async function playLazy(
  scene: Scene,
  [first, second]: [Partial<VerifierConduct>, Partial<VerifierConduct>],
  rewarded: ("lazy 1" | "lazy 2" | "honest")[],
): Promise<Expected> {
  const verifiers = await Promise.all([
    startOne(scene, "lazy 1", first),
    startOne(scene, "lazy 2", second),
    startOne(scene, "honest", {}),
  ]);
  const miner = await playRound(scene);
  const isRewarded = ({ name }: Member) => rewarded.some((one) => one === name);
  return moved(
    scene,
    confirmed(scene, miner, verifiers.filter(isRewarded)),
    deviating(scene, ...verifiers.filter((verifier) => !isRewarded(verifier))),
  );
}

/* COMMITTEES */

const GROUND = 10_000;
const ENROLLED = 3;

/** Private keys of those among 10,000 addresses that a seed would draw, had their stake been enrolled in time. */
function grind({ taskId, params }: Scene, seed: string, stake: bigint, total: bigint): string[] {
  const { ProjectivePoint, CURVE } = secp256k1;
  const firstKey = BigInt(toHex(randomBytes(31))) % CURVE.n;
  const points = [ProjectivePoint.BASE.multiply(firstKey)];
  // Keys in a row: the next public key is one addition away.
  while (points.length < GROUND) points.push(points.at(-1)!.add(ProjectivePoint.BASE));
  return ProjectivePoint.normalizeZ(points).flatMap((point, i) => {
    const address = computeAddress(`0x${point.toHex(false)}`);
    const drawn = draw(seed, "COMMITTEE", taskId, 1n, 0n, BigInt(address));
    const weight = sortitionWeight(drawn, stake, total, params.committeeSize);
    return weight === 0n ? [] : [toBeHex(firstKey + BigInt(i), 32)];
  });
}

/** Enrols, and tries to attest in the round, though the stake that counts was read before. */
async function attestInVain(scene: Scene, member: Member, stake: bigint): Promise<void> {
  const { taskId } = scene;
  const { committee } = member.gradwork;
  const terms = await readTerms(member.gradwork, taskId);
  await act(member, 1n, committee.enrol, [taskId, stake]);
  await takeTurns(member, terms, async (view) => {
    if (view.phase !== "Committing") return false;
    const weight = await committee.weightOf(taskId, view.number, member.address);
    insist(weight === 0n, `${member.name} weighs ${weight}`);
    await tryInVain(scene, member, "NotDrawn", committee.commitAttestation, [taskId, view.number, newSalt()]);
    return true;
  });
}

async function playGroundAddresses(scene: Scene): Promise<Expected> {
  const { taskId, params } = scene;
  const stake = params.verifierStake;
  const honest = await startVerifiers(scene, 2, {}, "verifier", 16n * stake);
  const grinder = await scene.join("grinder", { stake: 0n });
  let ground: Member[] = [];
  scene.start(grinder, async (member) => {
    const terms = await readTerms(member.gradwork, taskId);
    let seed: string | undefined;
    await takeTurns(member, terms, async ({ round }) => {
      if (BigInt(round.seed) !== 0n) seed = round.seed;
      return seed !== undefined;
    });
    const keys = grind(scene, seed!, stake, (2n * 16n + 1n) * stake);
    scene.say(`${member.name}: of ${GROUND} addresses the seed would draw ${keys.length}`);
    insist(keys.length >= ENROLLED, `only ${keys.length} of ${GROUND} addresses are drawn`);
    const joining = keys
      .slice(0, ENROLLED)
      .map((privateKey, i) => scene.join(`ground ${i + 1}`, { stake, privateKey }));
    ground = await meanwhile(member, Promise.all(joining));
    for (const one of ground) scene.start(one, () => attestInVain(scene, one, stake));
  });
  const miner = await playRound(scene);
  insist(ground.length === ENROLLED, "no ground address was enrolled");
  for (const one of ground) requireRefusals(one, ["NotDrawn"]);
  return moved(scene, confirmed(scene, miner, honest));
}

/** Waits, block by block, for something that needs blocks itself. */
async function meanwhile<T>({ gradwork, signal }: Member, work: Promise<T>): Promise<T> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  work.then(done, done);
  const { provider, pollMs } = gradwork;
  while (!isDone) {
    await provider.getBlockNumber();
    await sleep(pollMs, signal);
  }
  return work;
}

async function playMovedStake(scene: Scene): Promise<Expected> {
  const { taskId, params } = scene;
  const stake = params.verifierStake;
  const keeper = await startKeeper(scene);
  const [honest, mover, other] = await Promise.all([
    startVerifiers(scene, 2),
    scene.join("mover", { stake }),
    scene.join("other", { stake }),
  ]);
  scene.start(mover, async (member) => {
    const { committee, vault } = member.gradwork;
    await act(member, 0n, committee.enrol, [taskId, stake]);
    await untilOpening(scene, member);
    await act(member, 1n, committee.disenrol, [taskId]);
    await tryInVain(scene, member, "WithdrawalNotReady", vault.completeWithdrawal, []);
  });
  scene.start(other, async (member) => {
    await untilOpening(scene, member);
    await attestInVain(scene, member, stake);
  });
  await untilEnrolled(scene, [mover]);
  const miner = await playRound(scene);
  requireRefusals(mover, ["WithdrawalNotReady"]);
  requireRefusals(other, ["NotDrawn"]);
  return moved(scene, confirmed(scene, miner, honest), slashed(mover, params.deviationPenalty, keeper));
}

async function untilOpening({ taskId }: Scene, member: Member): Promise<void> {
  const terms = await readTerms(member.gradwork, taskId);
  await takeTurns(member, terms, async ({ phase }) => phase === "Opening");
}

const ABSENCES = 3n;

async function playAbsent(scene: Scene): Promise<Expected> {
  const { taskId, params } = scene;
  const { verifierStake, deviationPenalty } = params;
  // So that it is still drawn after two penalties.
  const stake = verifierStake + 2n * deviationPenalty;
  const keeper = await startKeeper(scene);
  const [honest, absent] = await Promise.all([
    startOne(scene, "honest", {}, 2n * verifierStake),
    scene.join("absent", { stake }),
  ]);
  const { committee, vault } = absent.gradwork;
  scene.start(absent, async (member) => {
    await act(member, 0n, committee.enrol, [taskId, stake]);
  });
  await untilEnrolled(scene, [absent]);
  const miner = await joinMiner(scene, "miner", ABSENCES);
  startMiner(scene, miner, {}, { rounds: Number(ABSENCES) });
  await scene.final(ABSENCES);
  const { active } = await committee.enrolment(taskId, absent.address);
  const { withdrawing } = await vault.accounts(absent.address);
  const isOut = !active && withdrawing === stake - ABSENCES * deviationPenalty;
  insist(isOut, `the absent verifier is ${active ? "still" : "not"} enrolled, ${withdrawing} is on its way`);
  const rounds = Array.from({ length: Number(ABSENCES) }, () =>
    sum(confirmed(scene, miner, [honest]), slashed(absent, deviationPenalty, keeper)),
  );
  return { head: await rootOf(scene, ABSENCES), changes: sum(funded(scene, ABSENCES), ...rounds) };
}

/* ADVERSARIES */

export const VERIFIERS: Adversary[] = [
  {
    name: "opposite-verdicts",
    title:
      "one owner's two verifiers say yes and no, and only the winner reveals: silence costs more than a duty earns",
    async play(scene) {
      const [honest, yes, no] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "yes", revealAmong("Positive")),
        startOne(scene, "no", { ...SAY_NO, ...revealAmong("Negative") }),
      ]);
      const miner = await playRound(scene);
      const changes = sum(
        confirmed(scene, miner, [...honest, yes]),
        slashed(no, scene.params.missedRevealPenalty),
      );
      insist(changes.yes! + changes.no! < 0n, "two opposite verdicts paid their owner");
      return moved(scene, changes);
    },
  },
  {
    name: "copied-commitment",
    title:
      "a verifier commits to what another committed to: it holds the other's address, and can't be opened",
    async play(scene) {
      const [honest, copier] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "copier", copyCommitment(scene)),
      ]);
      const miner = await playRound(scene);
      requireRefusals(copier, ["CommitmentMismatch"]);
      return moved(scene, confirmed(scene, miner, honest), slashed(copier, scene.params.missedRevealPenalty));
    },
  },
  {
    name: "copied-reveal",
    title: "a verifier waits for others' reveals to say the same: too late, and reported as absent",
    async play(scene) {
      const keeper = await startKeeper(scene);
      const [honest, copier] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "copier", copyReveal(scene)),
      ]);
      const miner = await playRound(scene);
      requireRefusals(copier, ["WrongPhase", "NothingCommitted"]);
      return moved(
        scene,
        confirmed(scene, miner, honest),
        slashed(copier, scene.params.deviationPenalty, keeper),
      );
    },
  },
  {
    name: "always-yes",
    title: "a verifier says yes to everything with losses that it made up: not paid, and fined",
    async play(scene) {
      const [honest, liar] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "liar", sayYes(5, 4)),
      ]);
      const miner = await playRound(scene);
      return moved(scene, confirmed(scene, miner, honest), deviating(scene, liar));
    },
  },
  {
    name: "always-no",
    title: "a third of the stake says no to a good update: it is confirmed, and who said no is fined",
    async play(scene) {
      const [honest, naysayer] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "naysayer", SAY_NO),
      ]);
      const miner = await playRound(scene);
      return moved(scene, confirmed(scene, miner, honest), deviating(scene, naysayer));
    },
  },
  {
    name: "silent-verifier",
    title: "a verifier measures, commits and never reveals: it pays more than the duty would have earned",
    async play(scene) {
      const [honest, silent] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "silent", STAY_SILENT),
      ]);
      const miner = await playRound(scene);
      return moved(scene, confirmed(scene, miner, honest), slashed(silent, scene.params.missedRevealPenalty));
    },
  },
  {
    name: "revealed-twice",
    title: "a verifier reveals twice, the second time something else: refused, and it is paid once",
    async play(scene) {
      const [honest, twice] = await Promise.all([
        startVerifiers(scene, 1),
        startOne(scene, "twice", revealTwice(scene)),
      ]);
      const miner = await playRound(scene);
      requireRefusals(twice, ["AlreadyAttested", "AlreadyAttested"]);
      return moved(scene, confirmed(scene, miner, [...honest, twice]));
    },
  },
  {
    name: "changed-vote",
    title:
      "a verifier commits to a no and wants to make it a yes: the contracts hold it to its word, and fine it",
    async play(scene) {
      const [honest, fickle] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "fickle", changeVote(scene)),
      ]);
      const miner = await playRound(scene);
      requireRefusals(fickle, ["AlreadyAttested", "CommitmentMismatch"]);
      return moved(scene, confirmed(scene, miner, honest), deviating(scene, fickle));
    },
  },
  {
    name: "lazy-majority-apart",
    title:
      "two of three verifiers make up losses, one too low and one too high: who measured is the median, and takes all",
    play: (scene) => playLazy(scene, [sayYes(4, 3), sayYes(8, 7)], ["honest"]),
  },
  {
    name: "lazy-majority-below",
    title:
      "two of three verifiers make up losses, both too low: the better guess takes all, and who measured is fined",
    play: (scene) => playLazy(scene, [sayYes(4, 3), sayYes(5, 4)], ["lazy 2"]),
  },
  {
    name: "lazy-majority-alike",
    title:
      "two of three verifiers agree on made-up losses: they are the median and share the pot, who measured is fined",
    play: (scene) => playLazy(scene, [sayYes(5, 4), sayYes(5, 4)], ["lazy 1", "lazy 2"]),
  },
  {
    name: "ground-addresses",
    title:
      "somebody tries 10,000 addresses once the seed is known, and enrols those that it draws: none counts",
    options: { params: { committeeSize: 2n } },
    play: playGroundAddresses,
  },
  {
    name: "moved-stake",
    title:
      "a verifier leaves once its stake counts, and its owner enrols another account: the one must attest, the other can't",
    play: playMovedStake,
  },
  {
    name: "withdrawn-stake",
    title:
      "a verifier commits, withdraws its stake and stays silent: the penalty comes out of what is on its way",
    async play(scene) {
      const leave: Partial<VerifierConduct> = {
        async commit(verifying, view, head) {
          const { party, terms } = verifying;
          const { committee, vault } = party.gradwork;
          await HONEST_VERIFIER.commit(verifying, view, head);
          await act(party, view.number, committee.disenrol, [terms.taskId]);
          await tryInVain(scene, party, "WithdrawalNotReady", vault.completeWithdrawal, []);
        },
      };
      const [honest, leaver] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "leaver", { ...leave, ...STAY_SILENT }),
      ]);
      const miner = await playRound(scene);
      requireRefusals(leaver, ["WithdrawalNotReady"]);
      const { verifierStake, missedRevealPenalty } = scene.params;
      const { withdrawing } = await leaver.gradwork.vault.accounts(leaver.address);
      const isTaken = withdrawing === verifierStake - missedRevealPenalty;
      insist(isTaken, `the penalty left ${withdrawing} of the stake under withdrawal`);
      return moved(scene, confirmed(scene, miner, honest), slashed(leaver, missedRevealPenalty));
    },
  },
  {
    name: "minority-says-yes",
    title: "a verifier helps a miner who makes the model worse: the median rejects it, and fines both",
    async play(scene) {
      const [honest, helper] = await Promise.all([
        startVerifiers(scene, 2),
        startOne(scene, "helper", sayYes(5.8, 4.4)),
      ]);
      const miner = await playRound(scene, SPOIL);
      return unmoved(scene, feeTo(scene, miner, honest), rejected(scene, miner), deviating(scene, helper));
    },
  },
  {
    name: "blocking-minority",
    title:
      "two fifths of the stake say no to a good update: it is rejected for a twentieth of the bond, burned; they get the fee",
    async play(scene) {
      const unit = scene.params.verifierStake;
      const [honest, blocker] = await Promise.all([
        startOne(scene, "honest", {}, 3n * unit),
        startOne(scene, "blocker", SAY_NO, 2n * unit),
      ]);
      const miner = await playRound(scene);
      return unmoved(scene, feeTo(scene, miner, [blocker]), rejected(scene, miner), deviating(scene, honest));
    },
  },
  {
    name: "majority-says-yes",
    title:
      "two of three verifiers help a miner who makes the model worse: it is confirmed and paid, who measured is fined",
    async play(scene) {
      const [helpers, honest] = await Promise.all([
        startVerifiers(scene, 2, sayYes(5.8, 4.4), "helper"),
        startOne(scene, "honest", {}),
      ]);
      const miner = await playRound(scene, SPOIL);
      return moved(scene, confirmed(scene, miner, helpers), deviating(scene, honest));
    },
  },
  {
    name: "majority-forges",
    title:
      "all verifiers help a miner who forged a leaf: one watch without stake proves it, and no vote counts",
    async play(scene) {
      const [, watch] = await Promise.all([
        startVerifiers(scene, 2, sayYes(5.8, 4.4), "helper"),
        startWatch(scene),
      ]);
      const miner = await playRound(scene, FORGE_PARAMETER);
      const prover = await proverOf(scene, 1n);
      // Unless the leaf check drew the forged leaf before.
      insist(prover === undefined || prover === watch, `${prover?.name} proved the forgery`);
      return unmoved(scene, feeTo(scene, miner, []), slashed(miner, scene.params.minerBond, prover));
    },
  },
  {
    name: "majority-withholds",
    title:
      "two of three verifiers confirm an update that nobody else can have: the head moves, who abstains loses nothing",
    async play(scene) {
      const [helpers] = await Promise.all([
        startVerifiers(scene, 2, sayYes(5.8, 4.4), "helper"),
        startOne(scene, "honest", {}),
      ]);
      const miner = await playRound(scene, WITHHOLD);
      return moved(scene, confirmed(scene, miner, helpers));
    },
  },
  {
    name: "absent-verifier",
    title: "a drawn verifier never commits: a keeper reports it each round, and after the third it is out",
    options: { rounds: ABSENCES },
    play: playAbsent,
  },
];
