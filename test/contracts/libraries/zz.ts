import { network } from "hardhat";
import { readFileSync } from "node:fs";
import { ContractFactory } from "ethers";
import { encodeLeaves } from "../../../clients/model/mxfp4.ts";
import { applyUpdate } from "../../../clients/model/update.ts";
describe("gas", () => {
  it("measures", async () => {
    const { ethers } = await network.create();
    const out = JSON.parse(readFileSync("/tmp/lib/out.json", "utf8")).contracts["contracts/test/LibraryHarness.sol"].LibraryHarness;
    const [signer] = await ethers.getSigners();
    const h: any = await new ContractFactory(out.abi, out.evm.bytecode.object, signer).deploy();
    const g = () => { let s = 0; for (let i = 0; i < 12; i++) s += Math.random(); return s - 6; };
    const hex = (b: ArrayBufferView) => "0x" + Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString("hex");
    for (let t = 0; t < 3; t++) {
      const old = Float32Array.from({ length: 256 }, () => 0.02 * g());
      const up = encodeLeaves(Float32Array.from({ length: 256 }, () => 0.001 * g()));
      const nu = applyUpdate(old, up);
      const q = encodeLeaves(nu);
      const args = [hex(old), hex(up), hex(nu), hex(q)];
      const data = h.interface.encodeFunctionData("leafVerdict", [...args, 256]);
      let cd = 0n; for (const b of Buffer.from(data.slice(2), "hex")) cd += b ? 16n : 4n;
      const [v, e] = await h.leafVerdict(...args, 256);
      const total = await h.leafVerdict.estimateGas(...args, 256);
      const trace = await ethers.provider.send("debug_traceCall", [{ to: await h.getAddress(), data, gas: "0xf00000" }, "latest", { disableStorage: true, disableMemory: true, disableStack: true }]);
      console.log(v, e, "estimate", total, "calldata", cd, "exec", trace.gas, trace.structLogs.length);
      for (const [f, a] of [["firstInvalid", [args[1]]], ["firstNonZeroCode", [args[1], 1]], ["isEncodingOf", [args[2], args[3]]], ["decode", [args[1]]]] as const) {
        const d = h.interface.encodeFunctionData(f, a); let c = 0; for (const b of Buffer.from(d.slice(2), "hex")) c += b ? 16 : 4;
        const tr = await ethers.provider.send("debug_traceCall", [{ to: await h.getAddress(), data: d, gas: "0xf00000" }, "latest", { disableStorage: true, disableMemory: true, disableStack: true }]);
        let s = 0; for (const l of tr.structLogs) s += l.gasCost;
        console.log(f, "exec", tr.gas, s);
      }
      let s = 0; for (const l of trace.structLogs) s += l.gasCost;
      { const d = h.interface.encodeFunctionData("addLanes", [hex(old.subarray(0,8)), hex(old.subarray(8,16))]);
        const tr = await ethers.provider.send("debug_traceCall", [{ to: await h.getAddress(), data: d, gas: "0xf00000" }, "latest", { disableStorage: true, disableMemory: true, disableStack: true }]);
        const hist: any = {}; let s = 0; for (const l of tr.structLogs) { hist[l.op] = (hist[l.op] ?? 0) + 1; s += l.gasCost; }
        console.log("addLanes", s, tr.structLogs.length, hist);
        if (t == 0) console.log(tr.structLogs.slice(60, 420).map((l: any) => l.pc + ":" + l.op + (l.gasCost > 5 ? "(" + l.gasCost + ")" : "")).join(" "));
      }
      console.log("sum", s);
    }
  });
});
