import { createRequire } from "node:module";
import toolbox from "@nomicfoundation/hardhat-toolbox-mocha-ethers";
import { configVariable, defineConfig } from "hardhat/config";

/** The compiler comes from npm: nothing is downloaded. */
function compiler(runs: number, viaIR = true) {
  return {
    version: "0.8.37",
    path: createRequire(import.meta.url).resolve("solc/soljson.js"),
    settings: { viaIR, evmVersion: "cancun", optimizer: { enabled: true, runs } },
  };
}

/** Seeds are all that the runner makes up: it has nothing to learn from what it sees in storage and code. */
function invariantProfile(runs: number, depth: number) {
  return {
    fsPermissions: {
      writeFile: ["cache/invariants.TrainingMarket.txt", "cache/invariants.QualityMarket.txt"],
    },
    invariant: {
      runs,
      depth,
      failOnRevert: true,
      dictionaryWeight: 0,
      includeStorage: false,
      includePushBytes: false,
      shrinkRunLimit: 200,
    },
  };
}

export default defineConfig({
  plugins: [toolbox],
  solidity: {
    compilers: [compiler(200)],
    overrides: {
      // Its loops run thousands of times a call.
      "contracts/LeafChecker.sol": compiler(1_000_000),
      // They take the contracts under test from their artifacts, so that they may themselves be compiled the faster way.
      "test/contracts/TrainingMarket.t.sol": compiler(200, false),
      "test/contracts/QualityMarket.t.sol": compiler(200, false),
    },
  },
  networks: {
    sepolia: {
      type: "http",
      url: configVariable("SEPOLIA_RPC_URL"),
      accounts: [configVariable("SEPOLIA_PRIVATE_KEY")],
    },
  },
  paths: { sources: "contracts", tests: { mocha: "test", solidity: "test/contracts" } },
  test: {
    mocha: { timeout: 120_000 },
    solidity: { profiles: { default: invariantProfile(256, 100), deep: invariantProfile(1_000, 500) } },
  },
  typechain: { outDir: "types" },
});
