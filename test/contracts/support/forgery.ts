import { encodeLeaves } from "../../../clients/model/mxfp4.ts";
import { commitTransition, makeVectors, type Transition, type Vectors } from "./transition.ts";

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

/** A way to break the rules in the only leaf of a model of 200 parameters, and where the check finds it. */
export type Forgery = {
  what: string;
  verdict: (typeof LEAF_VERDICTS)[number];
  element: bigint;
  forge(vectors: Vectors): void;
};

const PARAMETERS = 200;

// Scale bytes come before codes; two elements share a byte, the even one in its low nibble.
const codeByte = (element: number) => 8 + (element >> 1);

export const FORGERIES: Forgery[] = [
  {
    what: "the head holds a NaN",
    verdict: "NonFiniteOld",
    element: 17n,
    forge: ({ parameters }) => {
      parameters[17] = Number.NaN;
    },
  },
  {
    what: "a scale byte is 255",
    verdict: "InvalidEncoding",
    element: 64n,
    forge: ({ update }) => {
      update[2] = 255;
    },
  },
  {
    what: "a code past the last parameter is not 0",
    verdict: "NonZeroPadding",
    element: 201n,
    forge: ({ update }) => {
      update[codeByte(201)]! |= 0x80;
    },
  },
  {
    what: "a sum overflows",
    verdict: "NonFiniteSum",
    element: 33n,
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
    forge: (vectors) => {
      vectors.newParameters[199]! += 1;
      vectors.newQuant = encodeLeaves(vectors.newParameters);
    },
  },
  {
    what: "a quantized parameter is another level",
    verdict: "WrongQuantization",
    element: 100n,
    forge: ({ newQuant }) => {
      newQuant[codeByte(100)]! ^= 1;
    },
  },
];

export function forgedTransition({ forge }: Forgery): Transition {
  const vectors = makeVectors(PARAMETERS, 3);
  forge(vectors);
  return commitTransition(vectors);
}
