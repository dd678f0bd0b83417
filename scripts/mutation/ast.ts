/** A node of solc's syntax tree, of Solidity or of Yul. */
export type AstNode = { readonly nodeType: string; readonly src: string; readonly [field: string]: unknown };

/** Where a node is in its source, in bytes. */
export type Range = { start: number; end: number };

function isNode(value: unknown): value is AstNode {
  return typeof value === "object" && value !== null && "nodeType" in value && "src" in value;
}

/** A field that is a node; undefined where it is absent or something else. */
export function nodeAt(node: AstNode, field: string): AstNode | undefined {
  const value = node[field];
  return isNode(value) ? value : undefined;
}

/** A field that is a list of nodes; empty where it is absent. Gaps, as in tuples, are left out. */
export function nodesAt(node: AstNode, field: string): AstNode[] {
  const value = node[field];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

export function childrenOf(node: AstNode): AstNode[] {
  return Object.keys(node).flatMap((field) => nodeAt(node, field) ?? nodesAt(node, field));
}

/** A node and all below it. */
export function* walk(node: AstNode): Generator<AstNode> {
  yield node;
  for (const child of childrenOf(node)) yield* walk(child);
}

export function rangeOf({ src }: AstNode): Range {
  const [start, length] = src.split(":").map(Number) as [number, number];
  return { start, end: start + length };
}
