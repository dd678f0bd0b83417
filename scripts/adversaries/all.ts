import type { Adversary } from "./adversary.ts";
import { CALLERS } from "./callers.ts";
import { COLLUSION } from "./collusion.ts";
import { FLOODS } from "./floods.ts";
import { FORGERS } from "./forgers.ts";
import { MINERS } from "./miners.ts";
import { OWNERS } from "./owners.ts";
import { QUERY_ASKERS } from "./queryAskers.ts";
import { QUERY_ASSESSORS } from "./queryAssessors.ts";
import { QUERY_MESSAGES } from "./queryMessages.ts";
import { QUERY_RESPONDERS } from "./queryResponders.ts";
import { VERIFIERS } from "./verifiers.ts";

export const ADVERSARIES: readonly Adversary[] = [
  ...FORGERS,
  ...MINERS,
  ...FLOODS,
  ...OWNERS,
  ...VERIFIERS,
  ...CALLERS,
  ...COLLUSION,
  ...QUERY_ASSESSORS,
  ...QUERY_RESPONDERS,
  ...QUERY_ASKERS,
  ...QUERY_MESSAGES,
];
