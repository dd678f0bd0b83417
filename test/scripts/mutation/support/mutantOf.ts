import type { SourceMutant } from "../../../../scripts/mutation/sources.ts";

/** A mutant with these properties. */
export function mutantOf(properties: Partial<SourceMutant>): SourceMutant {
  return {
    kind: "arithmetic",
    start: 0,
    end: 1,
    replacement: "-",
    functionId: 1,
    scope: "A.f",
    from: "a + b",
    to: "a - b",
    file: "contracts/A.sol",
    line: 1,
    isMoneyCondition: false,
    ...properties,
  };
}
