import { type AstNode, nodeAt, nodesAt, walk } from "./ast.ts";

/**
 * The functions and modifiers on money paths: the state-changing functions of the vault, which holds all money; the
 * functions from which calls lead to one of these, also through interfaces; and what these call in their own contract.
 * @param units the syntax trees of one compilation
 * @param vault name of the contract
 * @returns ids
 */
export function findMoneyPaths(units: readonly AstNode[], vault: string): Set<number> {
  const contracts = units
    .flatMap((unit) => nodesAt(unit, "nodes"))
    .filter(({ nodeType }) => nodeType === "ContractDefinition");
  const seeds = contracts
    .filter(({ name }) => name === vault)
    .flatMap((contract) => nodesAt(contract, "nodes"))
    .filter(
      ({ nodeType, stateMutability }) =>
        nodeType === "FunctionDefinition" && stateMutability !== "view" && stateMutability !== "pure",
    );
  if (seeds.length === 0) throw new Error(`no state-changing function of a contract ${vault}`);

  const [callers, ownCallees] = [new Map<number, number[]>(), new Map<number, number[]>()];
  const add = (map: Map<number, number[]>, key: number, value: number) =>
    map.set(key, [...(map.get(key) ?? []), value]);
  for (const definition of contracts.flatMap((contract) => nodesAt(contract, "nodes"))) {
    const id = Number(definition.id);
    for (const { target, isOwn } of [...walk(definition)].flatMap(callOf)) {
      add(callers, target, id);
      if (isOwn) add(ownCallees, id, target);
    }
    // Who calls the interface's function calls this one.
    for (const base of (definition.baseFunctions ?? []) as number[]) add(callers, id, base);
  }
  const leading = reach(
    seeds.map(({ id }) => Number(id)),
    callers,
  );
  return reach(leading, ownCallees);
}

/** What a node calls: a function by its name alone in the same contract, else another's; or a modifier. */
function callOf(node: AstNode): { target: number; isOwn: boolean }[] {
  const isCall = node.nodeType === "FunctionCall";
  if (!isCall && node.nodeType !== "ModifierInvocation") return [];
  let target = nodeAt(node, isCall ? "expression" : "modifierName");
  // f{value: …}
  if (target?.nodeType === "FunctionCallOptions") target = nodeAt(target, "expression");
  // Nothing for casts and the like.
  if (typeof target?.referencedDeclaration !== "number") return [];
  return [{ target: target.referencedDeclaration, isOwn: target.nodeType !== "MemberAccess" }];
}

/** Everything to which edges lead from some places, these among it. */
function reach(from: Iterable<number>, edges: ReadonlyMap<number, readonly number[]>): Set<number> {
  const found = new Set<number>();
  const pending = [...from];
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    pending.push(...(edges.get(id) ?? []));
  }
  return found;
}
