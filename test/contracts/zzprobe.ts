import { network } from "hardhat";
import { deployGradwork } from "../../deploy/deployGradwork.ts";
describe("probe", () => {
  it("x", async () => {
    const c = await network.create({ override: { initialDate: "2030-01-01T00:00:00Z" } as never });
    let now = Math.floor(Date.parse("2030-01-01T00:00:00Z") / 1000);
    const provider = { request: async (a: { method: string; params?: unknown[] }) => {
      if (a.method === "eth_sendTransaction") { now += 1; await c.provider.request({ method: "evm_setNextBlockTimestamp", params: [now] }); }
      return c.provider.request(a as never);
    } };
    const t0 = performance.now();
    const d = await deployGradwork(provider as never, { confirmations: 1, pollMs: 1 });
    console.log(d, performance.now() - t0);
    const b = await c.ethers.provider.getBlock("latest");
    console.log(b!.hash, b!.number, b!.timestamp, b!.gasLimit, b!.baseFeePerGas);
    try { console.log(Object.keys(await c.provider.request({ method: "eth_getProof", params: [d.contracts.StakeVault, [], "latest"] }) as object)); } catch (e) { console.log(String(e)); }
    console.log((c.networkConfig as any).hardfork, (c.networkConfig as any).blockGasLimit);
    const m = await c.ethers.getContractAt("TrainingMarket", d.contracts.TrainingMarket);
    console.log(await m.taskCount());
  });
});
