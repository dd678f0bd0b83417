import { createRequire } from "node:module";
import toolbox from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { configVariable, defineConfig } from "hardhat/config";

/** The compiler comes from npm: nothing is downloaded. */
function compiler(runs: number) {
  return {
    version: "0.8.37",
    path: createRequire(import.meta.url).resolve("solc/soljson.js"),
    settings: { viaIR: true, evmVersion: "cancun", optimizer: { enabled: true, runs } },
  };
}

export default defineConfig({
  plugins: [toolbox],
  solidity: {
    compilers: [compiler(200)],
    // Its loops run thousands of times a call.
    overrides: { "contracts/LeafChecker.sol": compiler(1_000_000) },
  },
  networks: {
    sepolia: {
      type: "http",
      url: configVariable("SEPOLIA_RPC_URL"),
      accounts: [configVariable("SEPOLIA_PRIVATE_KEY")],
    },
  },
  paths: { sources: "contracts", tests: { mocha: "test", solidity: "test/contracts" } },
  test: { mocha: { timeout: 120_000 } },
  typechain: { outDir: "types" },
});
