import { buildModule } from "@nomicfoundation/ignition-core";

const WEEK_SECONDS = 7 * 24 * 60 * 60;

/** One token, one vault, the market and its two parts; the vault then takes no other protocol contract, ever. */
export const gradworkModule = buildModule("Gradwork", (m) => {
  const token = m.contract("TestToken");
  const vault = m.contract("StakeVault", [token, m.getParameter("withdrawalDelaySeconds", WEEK_SECONDS)]);
  const randomness = m.contract("BlockHashRandomness");
  const leafChecker = m.contract("LeafChecker");
  const taskRules = m.contract("TaskRules");
  const market = m.contract("TrainingMarket", [vault, randomness, leafChecker, taskRules]);
  const committee = m.contractAt("Committee", m.staticCall(market, "COMMITTEE"));
  const disputes = m.contractAt("Disputes", m.staticCall(market, "DISPUTES"));
  m.call(vault, "fixProtocols", [[market, committee, disputes]]);
  return {
    TestToken: token,
    StakeVault: vault,
    BlockHashRandomness: randomness,
    LeafChecker: leafChecker,
    TaskRules: taskRules,
    TrainingMarket: market,
    Committee: committee,
    Disputes: disputes,
  };
});
