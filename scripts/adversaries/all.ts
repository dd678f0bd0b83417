import type { Adversary } from "./adversary.ts";
import { FORGERS } from "./forgers.ts";

export const ADVERSARIES: readonly Adversary[] = [...FORGERS];
