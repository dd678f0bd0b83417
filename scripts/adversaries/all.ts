import type { Adversary } from "./adversary.ts";
import { FORGERS } from "./forgers.ts";
import { VERIFIERS } from "./verifiers.ts";

export const ADVERSARIES: readonly Adversary[] = [...FORGERS, ...VERIFIERS];
