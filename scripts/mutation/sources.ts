import type { Project } from "./compiler.ts";
import { findMoneyPaths } from "./moneyPaths.ts";
import { findMutants, type Mutant } from "./mutants.ts";

/** A mutant and where it is. */
export type SourceMutant = Mutant & {
  file: string;
  line: number;
  /** Whether it forces a condition on a money path, and so is in every sample. */
  isMoneyCondition: boolean;
};

/** What is deployed on test networks only, holds no code, or serves tests. */
const LEFT_OUT = ["contracts/TestToken.sol", "contracts/interfaces/", "contracts/test/"];

const VAULT = "StakeVault";

/** All mutants of the project's contracts. */
export function findAllMutants({ contents, trees }: Project): SourceMutant[] {
  const moneyPaths = findMoneyPaths([...trees.values()], VAULT);
  const files = [...trees.keys()].filter(
    (file) => file.startsWith("contracts/") && !LEFT_OUT.some((part) => file.startsWith(part)),
  );
  return files.flatMap((file) => {
    const content = contents.get(file)!;
    return findMutants(content, trees.get(file)!).map((mutant) => ({
      ...mutant,
      file,
      line: content.subarray(0, mutant.start).toString("utf8").split("\n").length,
      isMoneyCondition: mutant.kind === "condition" && moneyPaths.has(mutant.functionId ?? Number.NaN),
    }));
  });
}
