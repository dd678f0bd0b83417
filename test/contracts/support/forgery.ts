import { PARAMETERS_PER_LEAF, QUANT_LEAF_BYTES } from "../../../clients/model/geometry.ts";
import { encodeLeaves } from "../../../clients/model/mxfp4.ts";
import { commitTransition, type LeafName, makeVectors, type Transition, type Vectors } from "./transition.ts";

/** `LeafVerdict` of contracts/libraries/LeafCheck.sol, in its order. */
export const LEAF_VERDICTS = [
  "Valid",
  "NonFiniteOld",
  "InvalidEncoding",
  "NonZeroPadding",
  "NonFiniteSum",
  "WrongSum",
  "WrongQuantization",
] as const;

/** A way to break the rules in a leaf of 200 parameters, where the check finds it, and which leaves show it. */
export type Forgery = {
  what: string;
  verdict: (typeof LEAF_VERDICTS)[number];
  element: bigint;
  shownBy: readonly LeafName[];
  forge(vectors: Vectors): void;
};

const LIVE = 200;

// Scale bytes come before codes; two elements share a byte, the even one in its low nibble.
const codeByte = (element: number) => 8 + (element >> 1);

export const FORGERIES: Forgery[] = [
  {
    what: "the head holds a NaN",
    verdict: "NonFiniteOld",
    element: 17n,
    shownBy: ["old"],
    forge: ({ parameters }) => {
      parameters[17] = Number.NaN;
    },
  },
  {
    what: "a scale byte is 255",
    verdict: "InvalidEncoding",
    element: 64n,
    shownBy: ["update"],
    forge: ({ update }) => {
      update[2] = 255;
    },
  },
  {
    what: "a code past the last parameter is not 0",
    verdict: "NonZeroPadding",
    element: 201n,
    shownBy: ["update"],
    forge: ({ update }) => {
      update[codeByte(201)]! |= 0x80;
    },
  },
  {
    what: "a sum overflows",
    verdict: "NonFiniteSum",
    element: 33n,
    shownBy: ["old", "update"],
    forge: ({ parameters, update, newParameters }) => {
      update[1] = 252;
      update[codeByte(33)] = 0x70;
      parameters[33] = 3.4e38;
      newParameters[33] = Number.POSITIVE_INFINITY;
    },
  },
  {
    what: "a new parameter is not the sum",
    verdict: "WrongSum",
    element: 199n,
    shownBy: ["old", "update", "new"],
    forge: ({ newParameters, newQuant }) => {
      newParameters[199]! += 1;
      newQuant.set(encodeLeaves(newParameters));
    },
  },
  {
    what: "a quantized parameter is another level",
    verdict: "WrongQuantization",
    element: 100n,
    shownBy: ["new", "quant"],
    forge: ({ newQuant }) => {
      newQuant[codeByte(100)]! ^= 1;
    },
  },
];

/** {@link FORGERIES} but for the one that is no fraud. */
export const FRAUDS = FORGERIES.filter(({ verdict }) => verdict !== "NonFiniteOld");

/** The one that is no fraud. */
export const POISON = FORGERIES.find(({ verdict }) => verdict === "NonFiniteOld")!;

/** A transition whose last leaf, of `leaves`, is forged. */
export function forgedTransition({ forge }: Forgery, leaves = 1): Transition {
  const whole = leaves - 1;
  const vectors = makeVectors(whole * PARAMETERS_PER_LEAF + LIVE, 3);
  forge({
    parameters: vectors.parameters.subarray(whole * PARAMETERS_PER_LEAF),
    update: vectors.update.subarray(whole * QUANT_LEAF_BYTES),
    newParameters: vectors.newParameters.subarray(whole * PARAMETERS_PER_LEAF),
    newQuant: vectors.newQuant.subarray(whole * QUANT_LEAF_BYTES),
  });
  return commitTransition(vectors);
}
