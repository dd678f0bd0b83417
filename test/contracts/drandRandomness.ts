import { bls12_381 } from "@noble/curves/bls12-381";
import { expect } from "chai";
import { type ContractTransactionResponse, ZeroHash } from "ethers";
import { network } from "hardhat";
import { submitArguments } from "../../clients/chain/drand.ts";
import type { DrandRandomness } from "../../types/randomness/DrandRandomness.ts";
import {
  DST,
  encodeFields,
  encodeG1,
  type G1Point,
  hashToG1,
  messageOf,
  PRIME,
  pointOf,
  quicknet,
  sha256,
} from "./support/drand.ts";
import { expectRefusal } from "./support/refusal.ts";
import { ethers, networkHelpers } from "./support/scenario.ts";

/** `IRandomness.Availability`, in its order. */
const [PENDING, READY] = [0n, 1n];

const { chain, rounds } = quicknet;
const [{ round: ROUND, signature: SIGNATURE, randomness: RANDOMNESS }, OTHER] = [rounds[1]!, rounds[2]!];

/** Enough for a submission; an invalid one burns it all. */
const MINED = { gasLimit: 1_000_000n };

const MAX_SUBMIT_GAS = 250_000;
const MAX_REPEATED_SUBMIT_GAS = 30_000;
const MARGIN_SECONDS = 60;

const { G1 } = bls12_381;

/** A point of order 3: on the curve, outside the subgroup. */
const SMALL_ORDER = G1.ProjectivePoint.fromAffine({ x: 0n, y: 2n });

function flipBit(encoded: string, bit: number): string {
  const bytes = Buffer.from(encoded.slice(2), "hex");
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  return `0x${bytes.toString("hex")}`;
}

/** By an implementation that is not ours. */
function isSigned(round: number, signature: string): boolean {
  return bls12_381.verifyShortSignature(signature, messageOf(round), chain.publicKey, { DST });
}

async function gasOf(sending: Promise<ContractTransactionResponse>): Promise<number> {
  return Number((await (await sending).wait())!.gasUsed);
}

describe("published rounds of drand's quicknet", () => {
  it("are of the chain with this key, genesis and period", () => {
    const times = Buffer.alloc(12);
    times.writeUInt32BE(chain.periodSeconds);
    times.writeBigInt64BE(BigInt(chain.genesisTime), 4);
    const [publicKey, groupHash] = [Buffer.from(chain.publicKey, "hex"), Buffer.from(chain.groupHash, "hex")];
    const hash = sha256(times, publicKey, groupHash, chain.beaconId);
    expect(Buffer.from(hash).toString("hex")).to.equal(chain.hash);
  });

  for (const { round, signature, randomness } of rounds) {
    it(`${round} is signed, by @noble/curves`, () => {
      expect(isSigned(round, signature)).to.equal(true);
      expect(isSigned(round + 1, signature)).to.equal(false);
      expect(Buffer.from(sha256(Buffer.from(signature, "hex"))).toString("hex")).to.equal(randomness);
    });
  }

  it("have both signs of y", () => {
    const larger = rounds.map(({ signature }) => pointOf(signature).toAffine().y > PRIME / 2n);
    expect(new Set(larger).size).to.equal(2);
  });
});

describe("DrandRandomness", () => {
  let randomness: DrandRandomness;

  beforeEach(async () => {
    randomness = await networkHelpers.loadFixture(deploy);
  });

  function deploy() {
    return ethers.deployContract("DrandRandomness");
  }

  const submit = (round: number | bigint, signature: string) => randomness.submit(round, signature, MINED);

  describe("deployed", () => {
    it("is refused by a chain without EIP-2537", async () => {
      const old = await network.create({ override: { hardfork: "cancun" } });
      const factory = await old.ethers.getContractFactory("DrandRandomness");
      await expect(factory.deploy(MINED))
        .to.be.revertedWithCustomError(factory, "PrecompileFailed")
        .withArgs("0x0000000000000000000000000000000000000010");
      await old.close();
    });

    it("is refused by a chain with something else in its place", async () => {
      const strange = await network.create({ override: { hardfork: "cancun" } });
      const returning = (bytes: number) => `0x60${bytes.toString(16)}5ff3`;
      for (const [precompile, bytes] of [
        [0x0b, 128],
        [0x0f, 32],
        [0x10, 128],
      ] as const) {
        await strange.networkHelpers.setCode(ethers.toBeHex(precompile, 20), returning(bytes));
      }
      const factory = await strange.ethers.getContractFactory("DrandRandomness");
      const known = rounds.find(({ round }) => round === 1000)!;
      await expect(factory.deploy(MINED))
        .to.be.revertedWithCustomError(factory, "InvalidSignature")
        .withArgs(...submitArguments(BigInt(known.round), known.signature));
      await strange.close();
    });
  });

  describe("gives a ticket", () => {
    const publishedAt = (round: bigint) =>
      BigInt(chain.genesisTime) + (round - 1n) * BigInt(chain.periodSeconds);

    it("for the first round that is published more than a minute after the block", async () => {
      const now = await networkHelpers.time.latest();
      for (let time = now + 1; time < now + 10; time++) {
        await networkHelpers.time.increaseTo(time);
        const ticket = await randomness.next();
        expect(publishedAt(ticket) > BigInt(time + MARGIN_SECONDS)).to.equal(true);
        expect(publishedAt(ticket - 1n) <= BigInt(time + MARGIN_SECONDS)).to.equal(true);
      }
    });

    it("for the first round of all on a chain before it", async () => {
      const initialDate = new Date((chain.genesisTime - 1_000) * 1_000).toISOString();
      const early = await network.create({ override: { initialDate } });
      const deployed = await early.ethers.deployContract("DrandRandomness");
      const ticketAt = async (time: number) => {
        await early.networkHelpers.time.increaseTo(time);
        return deployed.next();
      };
      const first = chain.genesisTime - MARGIN_SECONDS;
      expect(await ticketAt(first - 500)).to.equal(1n);
      expect(await ticketAt(first - 1)).to.equal(1n);
      expect(await ticketAt(first)).to.equal(2n);
      expect(await ticketAt(first + 2)).to.equal(2n);
      expect(await ticketAt(first + 3)).to.equal(3n);
      await early.close();
    });

    it("that nobody has submitted", async () => {
      expect(await randomness.read(await randomness.next())).to.deep.equal([PENDING, ZeroHash]);
    });
  });

  for (const { round, signature, randomness: seed } of rounds) {
    it(`takes round ${round} from anyone, whose seed is drand's randomness`, async () => {
      expect(isSigned(round, signature)).to.equal(true);
      const [, , stranger] = await ethers.getSigners();
      expect(await randomness.read(round)).to.deep.equal([PENDING, ZeroHash]);
      const submission = randomness.connect(stranger!).submit(...submitArguments(BigInt(round), signature));
      await expect(submission).to.emit(randomness, "SeedSubmitted").withArgs(round, `0x${seed}`);
      expect(await randomness.read(round)).to.deep.equal([READY, `0x${seed}`]);
    });
  }

  it("is ready for ever", async () => {
    await submit(ROUND, encodeG1(pointOf(SIGNATURE)));
    for (const years of [1, 100]) {
      await networkHelpers.mine(10_000);
      await networkHelpers.time.increase(years * 365 * 86_400);
      expect(await randomness.read(ROUND)).to.deep.equal([READY, `0x${RANDOMNESS}`]);
    }
  });

  it("is pending, and does not revert, for every ticket without a submission", async () => {
    await submit(ROUND, encodeG1(pointOf(SIGNATURE)));
    for (const ticket of [0n, 1n, BigInt(ROUND) - 1n, BigInt(ROUND) + 1n, 2n ** 64n - 1n]) {
      expect(await randomness.read(ticket)).to.deep.equal([PENDING, ZeroHash]);
    }
  });

  it("takes a round once, and refuses it cheaply from then on, with whatever signature", async () => {
    const signature = encodeG1(pointOf(SIGNATURE));
    await submit(ROUND, signature);
    for (const again of [signature, encodeG1(pointOf(OTHER.signature)), "0x"]) {
      await expectRefusal([randomness], () => submit(ROUND, again), randomness, "AlreadySubmitted", [ROUND]);
      const block = await ethers.provider.getBlock("latest");
      const receipt = await ethers.provider.getTransactionReceipt(block!.transactions[0]!);
      expect(Number(receipt!.gasUsed)).to.be.within(21_000, MAX_REPEATED_SUBMIT_GAS);
    }
    expect(await randomness.read(ROUND)).to.deep.equal([READY, `0x${RANDOMNESS}`]);
  });

  describe("refuses", () => {
    const point = pointOf(SIGNATURE);
    const { x, y } = point.toAffine();
    const encoded = encodeG1(point);

    const expectInvalid = (round: number | bigint, signature: string) =>
      expectRefusal([randomness], () => submit(round, signature), randomness, "InvalidSignature", [
        round,
        signature,
      ]);

    afterEach("and still takes the true one", async () => {
      expect(await randomness.read(ROUND)).to.deep.equal([PENDING, ZeroHash]);
      await submit(ROUND, encoded);
      expect(await randomness.read(ROUND)).to.deep.equal([READY, `0x${RANDOMNESS}`]);
    });

    it("a signature of another round", async () => {
      for (const round of [0n, BigInt(ROUND - 1), BigInt(ROUND + 1), 2n ** 64n - 1n]) {
        await expectInvalid(round, encoded);
      }
      await expectInvalid(ROUND, encodeG1(pointOf(OTHER.signature)));
    });

    it("a flipped bit anywhere", async () => {
      for (let bit = 0; bit < 8 * 128; bit += 41) await expectInvalid(ROUND, flipBit(encoded, bit));
    });

    it("infinity", () => expectInvalid(ROUND, encodeFields(0n, 0n)));

    it("the other point with the same x", () => expectInvalid(ROUND, encodeG1(point.negate())));

    it("points that are not on the curve", async () => {
      for (const [dx, dy] of [
        [0n, 1n],
        [1n, 0n],
      ] as const) {
        await expectInvalid(ROUND, encodeFields(x + dx, y + dy));
      }
      await expectInvalid(ROUND, encodeFields(y, x));
    });

    it("points on the curve that are not in the subgroup, also where they differ by a small order only", async () => {
      const outside = [SMALL_ORDER, point.add(SMALL_ORDER), point.add(SMALL_ORDER.negate())];
      for (const each of outside) {
        expect(G1.ProjectivePoint.fromAffine(each.toAffine()).isTorsionFree()).to.equal(false);
        await expectInvalid(ROUND, encodeG1(each));
      }
    });

    it("another encoding of the same point", async () => {
      await expectInvalid(ROUND, encodeFields(x + PRIME, y));
      await expectInvalid(ROUND, encodeFields(x, y + PRIME));
      await expectInvalid(ROUND, encodeFields(x | (1n << 383n), y));
      await expectInvalid(ROUND, encodeFields(x | (1n << 511n), y));
    });

    it("a signature under another key", async () => {
      const forged: G1Point = hashToG1(messageOf(ROUND)).multiply(123_456_789n);
      await expectInvalid(ROUND, encodeG1(forged));
      await expectInvalid(ROUND, encodeG1(G1.ProjectivePoint.BASE));
      await expectInvalid(ROUND, encodeG1(hashToG1(messageOf(ROUND))));
    });

    it("another length, the compressed form among them", async () => {
      const others = [
        "0x",
        `0x${SIGNATURE}`,
        encoded.slice(0, -2),
        `${encoded}00`,
        encoded + "00".repeat(384),
      ];
      for (const signature of others) {
        await expectRefusal([randomness], () => submit(ROUND, signature), randomness, "WrongPointLength", [
          ethers.dataLength(signature),
          128,
        ]);
      }
    });
  });

  describe("gas", () => {
    it(`of a submission is at most ${MAX_SUBMIT_GAS}`, async () => {
      for (const { round, signature } of rounds) {
        const gas = await gasOf(randomness.submit(...submitArguments(BigInt(round), signature)));
        expect(gas).to.be.within(100_000, MAX_SUBMIT_GAS);
      }
    });

    it("that suffices for a submission suffices to say that a signature is invalid", async () => {
      const limit = { gasLimit: MAX_SUBMIT_GAS };
      const notOnCurve = flipBit(encodeG1(pointOf(SIGNATURE)), 8 * 127);
      await expect(randomness.submit(ROUND, notOnCurve, limit))
        .to.be.revertedWithCustomError(randomness, "InvalidSignature")
        .withArgs(ROUND, notOnCurve);
    });
  });
});
