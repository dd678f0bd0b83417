import { expect } from "chai";
import { ContractFactory, JsonRpcProvider, ZeroHash } from "ethers";
import { loadArtifact } from "../../clients/chain/artifacts.ts";
import type { BlockHashRandomness } from "../../types/randomness/BlockHashRandomness.ts";
import { type Anvil, startAnvil } from "./support/anvil.ts";
import { ethers, networkHelpers } from "./support/scenario.ts";

/** `IRandomness.Availability`, in its order. */
const [PENDING, READY, OUT_OF_REACH] = [0n, 1n, 2n];

/** EIP-2935: HISTORY_SERVE_WINDOW. */
const HISTORY_BLOCKS = 8_191;
const HISTORY = "0x0000F90827F1C53a10cb7A02335B175320002935";

/** A chain that starts here has blocks older than its history without mining them. */
const FIRST_BLOCK = 20_000;

describe("BlockHashRandomness", () => {
  describe("on a chain without block history", () => {
    let randomness: BlockHashRandomness;
    let ticket: bigint;

    beforeEach(async () => {
      randomness = await ethers.deployContract("BlockHashRandomness");
      ticket = await randomness.next();
    });

    it("gives a ticket for the block two ahead", async () => {
      expect(ticket).to.equal(BigInt(await ethers.provider.getBlockNumber()) + 2n);
    });

    it("is pending until that block is followed by another", async () => {
      expect(await randomness.read(ticket)).to.deep.equal([PENDING, ZeroHash]);
      for (const block of [ticket - 1n, ticket]) {
        await networkHelpers.mineUpTo(block);
        expect(await randomness.read(ticket)).to.deep.equal([PENDING, ZeroHash]);
      }
      expect(await randomness.read(2n ** 64n - 1n)).to.deep.equal([PENDING, ZeroHash]);
    });

    it("reads that block's hash, the same for 256 blocks", async () => {
      await networkHelpers.mineUpTo(ticket + 1n);
      const { hash } = (await ethers.provider.getBlock(ticket))!;
      expect(await randomness.read(ticket)).to.deep.equal([READY, hash]);
      await networkHelpers.mineUpTo(ticket + 256n);
      expect(await randomness.read(ticket)).to.deep.equal([READY, hash]);
    });

    it("is out of reach after those, and does not revert", async () => {
      await networkHelpers.mineUpTo(ticket + 257n);
      expect(await randomness.read(ticket)).to.deep.equal([OUT_OF_REACH, ZeroHash]);
      expect(await randomness.read(0)).to.deep.equal([OUT_OF_REACH, ZeroHash]);
    });
  });

  describe("on a chain with the block history of EIP-2935", () => {
    let anvil: Anvil;
    let provider: JsonRpcProvider;
    let randomness: BlockHashRandomness;
    let ticket: bigint;

    const mine = (blocks: number) => provider.send("anvil_mine", [ethers.toQuantity(blocks)]);

    before(async () => {
      anvil = await startAnvil(FIRST_BLOCK);
      provider = new JsonRpcProvider(anvil.url, undefined, { staticNetwork: true, cacheTimeout: -1 });
      provider.pollingInterval = 20;
      const { abi, bytecode } = loadArtifact("BlockHashRandomness");
      const factory = new ContractFactory(abi, bytecode, await provider.getSigner());
      const deployed = await factory.deploy();
      await mine(1);
      randomness = (await deployed.waitForDeployment()) as unknown as BlockHashRandomness;
      ticket = await randomness.next();
      await mine(3);
    });

    after(async () => {
      provider?.destroy();
      await anvil?.stop();
    });

    it("reads a hash that the chain's instruction no longer gives, as it was", async () => {
      const { hash } = (await provider.getBlock(ticket))!;
      expect(await randomness.read(ticket)).to.deep.equal([READY, hash]);
      await mine(300);
      expect(BigInt(await provider.getBlockNumber()) - ticket > 256n).to.equal(true);
      expect(await randomness.read(ticket)).to.deep.equal([READY, hash]);
    });

    it("is out of reach where that history reverts or knows nothing, and does not revert", async () => {
      const block = await provider.getBlockNumber();
      const beyond = block - HISTORY_BLOCKS - 1;
      const beforeGenesis = FIRST_BLOCK - 1;
      const ask = (number: number) => provider.call({ to: HISTORY, data: ethers.toBeHex(number, 32) });
      expect(await ask(beyond).catch((error) => error.code)).to.equal("CALL_EXCEPTION");
      expect(await ask(beforeGenesis)).to.equal(ZeroHash);
      for (const old of [beyond, beforeGenesis]) {
        expect(await randomness.read(old)).to.deep.equal([OUT_OF_REACH, ZeroHash]);
      }
    });
  });
});
