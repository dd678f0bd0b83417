import { expect } from "chai";
import { parseEther, Signature } from "ethers";
import { expectRefused } from "./support/refusal.ts";
import { deployScenario, ethers, MINED, networkHelpers } from "./support/scenario.ts";

const CAP = parseEther("100000");

describe("TestToken", () => {
  it("has a name, a symbol, 18 decimals, and no supply but what the faucet gave", async () => {
    const token = await ethers.deployContract("TestToken");
    expect(await token.name()).to.equal("Gradwork Test Token");
    expect(await token.symbol()).to.equal("tGRAD");
    expect(await token.decimals()).to.equal(18n);
    expect(await token.totalSupply()).to.equal(0n);
  });

  it("mints to the caller what it asks for, up to the cap in all", async () => {
    const scenario = await networkHelpers.loadFixture(deployScenario);
    const { token, stranger } = scenario;
    expect(await token.FAUCET_CAP()).to.equal(CAP);
    const supply = await token.totalSupply();
    await expect(token.connect(stranger).faucet(CAP - 1n))
      .to.emit(token, "FaucetUsed")
      .withArgs(stranger.address, CAP - 1n);
    await token.connect(stranger).faucet(1n);
    expect(await token.balanceOf(stranger)).to.equal(CAP);
    expect(await token.minted(stranger)).to.equal(CAP);
    expect(await token.totalSupply()).to.equal(supply + CAP);
  });

  it("refuses more than the cap, however often it is asked", async () => {
    const scenario = await networkHelpers.loadFixture(deployScenario);
    const { token, stranger } = scenario;
    const faucet = (amount: bigint) => () => token.connect(stranger).faucet(amount, MINED);
    await expectRefused(scenario, faucet(CAP + 1n), "FaucetCapExceeded", [stranger, CAP + 1n, CAP], token);
    await token.connect(stranger).faucet(CAP - 5n);
    await expectRefused(scenario, faucet(6n), "FaucetCapExceeded", [stranger, 6n, 5n], token);
  });

  it("takes an approval by signature (EIP-2612)", async () => {
    const { token, vault, stranger, rival, deployment } = await networkHelpers.loadFixture(deployScenario);
    const permit = {
      owner: stranger.address,
      spender: await vault.getAddress(),
      value: 7n,
      nonce: 0n,
      deadline: 2n ** 40n,
    };
    const domain = {
      name: "Gradwork Test Token",
      version: "1",
      chainId: deployment.chainId,
      verifyingContract: deployment.contracts.TestToken,
    };
    const types = {
      Permit: Object.entries({
        owner: "address",
        spender: "address",
        value: "uint256",
        nonce: "uint256",
        deadline: "uint256",
      }).map(([name, type]) => ({ name, type })),
    };
    const { v, r, s } = Signature.from(await stranger.signTypedData(domain, types, permit));
    await token.connect(rival).permit(permit.owner, permit.spender, permit.value, permit.deadline, v, r, s);
    expect(await token.allowance(stranger, vault)).to.equal(7n);
    expect(await token.nonces(stranger)).to.equal(1n);
  });
});
