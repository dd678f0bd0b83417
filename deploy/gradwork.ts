import { buildModule } from "@nomicfoundation/ignition-core";
import { RANDOMNESS_CONTRACTS, type RandomnessSource } from "../clients/chain/artifacts.ts";

const WEEK_SECONDS = 7 * 24 * 60 * 60;

/**
 * One token, one vault, one source of seeds, the two markets with their parts; the vault then takes no other protocol
 * contract, ever.
 */
export const gradworkModule = (source: RandomnessSource) =>
  buildModule("Gradwork", (m) => {
    const token = m.contract("TestToken");
    const vault = m.contract("StakeVault", [token, m.getParameter("withdrawalDelaySeconds", WEEK_SECONDS)]);
    // One id for all: a deployment that was cut short does not go on with another source.
    const randomness = m.contract(RANDOMNESS_CONTRACTS[source], [], { id: "Randomness" });
    const leafChecker = m.contract("LeafChecker");
    const taskRules = m.contract("TaskRules");
    const market = m.contract("TrainingMarket", [vault, randomness, leafChecker, taskRules]);
    const committee = m.contractAt("Committee", m.staticCall(market, "COMMITTEE"));
    const disputes = m.contractAt("Disputes", m.staticCall(market, "DISPUTES"));
    const quality = m.contract("QualityMarket", [vault, randomness]);
    const registry = m.contractAt("NodeRegistry", m.staticCall(quality, "REGISTRY"));
    m.call(vault, "fixProtocols", [[market, committee, disputes, registry]]);
    return {
      TestToken: token,
      StakeVault: vault,
      Randomness: randomness,
      LeafChecker: leafChecker,
      TaskRules: taskRules,
      TrainingMarket: market,
      Committee: committee,
      Disputes: disputes,
      QualityMarket: quality,
      NodeRegistry: registry,
    };
  });
