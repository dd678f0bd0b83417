import { buildModule } from "@nomicfoundation/ignition-core";

const WEEK_SECONDS = 7 * 24 * 60 * 60;

/** One token, one vault, the market; the vault then takes no other protocol contract, ever. */
export const gradworkModule = buildModule("Gradwork", (m) => {
  const token = m.contract("TestToken");
  const vault = m.contract("StakeVault", [token, m.getParameter("withdrawalDelaySeconds", WEEK_SECONDS)]);
  const randomness = m.contract("BlockHashRandomness");
  const leafChecker = m.contract("LeafChecker");
  const market = m.contract("TrainingMarket", [token, vault, randomness, leafChecker]);
  m.call(vault, "fixProtocols", [[market]]);
  return {
    TestToken: token,
    StakeVault: vault,
    BlockHashRandomness: randomness,
    LeafChecker: leafChecker,
    TrainingMarket: market,
  };
});
