import { type AstNode, childrenOf, nodeAt, nodesAt, type Range, rangeOf } from "./ast.ts";

/** What a mutant changes. */
export type MutationKind = "condition" | "comparison" | "arithmetic" | "statement";

/** One change of a source. */
export type Mutant = Range & {
  kind: MutationKind;
  /** What stands in the place of the bytes from start to end. */
  replacement: string;
  /** Of the innermost function or modifier around it; undefined outside of one. */
  functionId: number | undefined;
  /** Contract and function, as in `StakeVault.deposit`. */
  scope: string;
  /** The lines around it before and after, blanks collapsed. */
  from: string;
  to: string;
};

const COMPARISONS: Record<string, string> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "==": "!=",
  "!=": "==",
};

const ARITHMETIC: Record<string, string> = {
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "**": "*",
  "<<": ">>",
  ">>": "<<",
  "&": "|",
  "|": "&",
  "^": "&",
};

const YUL_COMPARISONS: Record<string, (call: string, args: string) => string> = {
  lt: (_, args) => `iszero(gt(${args}))`,
  gt: (_, args) => `iszero(lt(${args}))`,
  slt: (_, args) => `iszero(sgt(${args}))`,
  sgt: (_, args) => `iszero(slt(${args}))`,
  eq: (call) => `iszero(${call})`,
  iszero: (call) => `iszero(${call})`,
};

const YUL_ARITHMETIC: Record<string, string> = {
  add: "sub",
  sub: "add",
  mul: "div",
  div: "mul",
  sdiv: "mul",
  mod: "mul",
  smod: "mul",
  exp: "mul",
  shl: "shr",
  shr: "shl",
  sar: "shl",
  and: "or",
  or: "and",
  xor: "and",
};

const REMOVABLE: ReadonlySet<string> = new Set([
  "ExpressionStatement",
  "EmitStatement",
  "RevertStatement",
  "Return",
  "Continue",
  "Break",
  "YulExpressionStatement",
  "YulAssignment",
  "YulLeave",
]);

const LOOPS: ReadonlySet<string> = new Set([
  "ForStatement",
  "WhileStatement",
  "DoWhileStatement",
  "YulForLoop",
]);

type Scope = { contract: string; name: string; functionId: number | undefined };

/**
 * All mutants of a source, in its order.
 * @param content the source
 * @param unit its syntax tree
 */
export function findMutants(content: Buffer, unit: AstNode): Mutant[] {
  const mutants: Mutant[] = [];

  function add(
    kind: MutationKind,
    { start, end }: Range,
    replacement: string,
    { contract, name, functionId }: Scope,
  ) {
    const lineStart = content.lastIndexOf("\n", start) + 1;
    const newline = content.indexOf("\n", end);
    const lineEnd = newline === -1 ? content.length : newline;
    const text = (from: number, to: number) => content.subarray(from, to).toString("utf8");
    const collapse = (lines: string) => lines.replaceAll(/\s+/g, " ").trim();
    mutants.push({
      kind,
      start,
      end,
      replacement,
      functionId,
      scope: [contract, name].filter((part) => part !== "").join("."),
      from: collapse(text(lineStart, lineEnd)),
      to: collapse(text(lineStart, start) + replacement + text(end, lineEnd)),
    });
  }

  const textOf = ({ start, end }: Range) => content.subarray(start, end).toString("utf8");

  /** The operator between two operands, around which there are only blanks. */
  function operatorRange(left: AstNode, right: AstNode, operator: string): Range {
    const between = { start: rangeOf(left).end, end: rangeOf(right).start };
    const text = textOf(between);
    const before = text.indexOf(operator);
    if (text.trim() !== operator) throw new Error(`expected only ${operator} between operands, got ${text}`);
    const start = between.start + Buffer.byteLength(text.slice(0, before));
    return { start, end: start + operator.length };
  }

  function addForced(condition: AstNode | undefined, scope: Scope, values: readonly string[]) {
    if (condition === undefined || condition.nodeType === "Literal" || condition.nodeType === "YulLiteral")
      return;
    for (const value of values) add("condition", rangeOf(condition), value, scope);
  }

  function addConditions(node: AstNode, scope: Scope) {
    const { nodeType } = node;
    if (
      ["IfStatement", "Conditional", "ForStatement", "WhileStatement", "DoWhileStatement"].includes(nodeType)
    ) {
      addForced(nodeAt(node, "condition"), scope, ["true", "false"]);
    } else if (nodeType === "YulIf" || nodeType === "YulForLoop") {
      addForced(nodeAt(node, "condition"), scope, ["1", "0"]);
    } else if (nodeType === "FunctionCall" && nodeAt(node, "expression")?.name === "require") {
      addForced(nodesAt(node, "arguments")[0], scope, ["true", "false"]);
    } else if (nodeType === "BinaryOperation" && (node.operator === "&&" || node.operator === "||")) {
      // The value that leaves the other operand to decide; with the other value it decides alone.
      const neutral = node.operator === "&&" ? "true" : "false";
      addForced(nodeAt(node, "leftExpression"), scope, [neutral]);
      addForced(nodeAt(node, "rightExpression"), scope, [neutral]);
    }
  }

  function addOperators(node: AstNode, scope: Scope) {
    const operator = String(node.operator);
    const range = rangeOf(node);
    if (node.nodeType === "BinaryOperation") {
      const [left, right] = [nodeAt(node, "leftExpression")!, nodeAt(node, "rightExpression")!];
      const comparison = COMPARISONS[operator];
      if (comparison !== undefined) {
        add("comparison", operatorRange(left, right, operator), comparison, scope);
      }
      const arithmetic = ARITHMETIC[operator];
      if (arithmetic !== undefined) {
        add("arithmetic", operatorRange(left, right, operator), arithmetic, scope);
      }
    } else if (node.nodeType === "Assignment" && operator !== "=") {
      const [left, right] = [nodeAt(node, "leftHandSide")!, nodeAt(node, "rightHandSide")!];
      const other = `${ARITHMETIC[operator.slice(0, -1)]}=`;
      add("arithmetic", operatorRange(left, right, operator), other, scope);
    } else if (node.nodeType === "UnaryOperation" && operator !== "delete") {
      const start = node.prefix === true ? range.start : range.end - operator.length;
      const other = { "++": "--", "--": "++" }[operator] ?? "";
      const kind = operator === "!" ? "condition" : "arithmetic";
      add(kind, { start, end: start + operator.length }, other, scope);
    } else if (node.nodeType === "YulFunctionCall") {
      const name = nodeAt(node, "functionName")!;
      const args = nodesAt(node, "arguments");
      const comparison = YUL_COMPARISONS[String(name.name)];
      if (comparison !== undefined) {
        const inner = { start: rangeOf(args[0]!).start, end: rangeOf(args.at(-1)!).end };
        add("comparison", range, comparison(textOf(range), textOf(inner)), scope);
      }
      const arithmetic = YUL_ARITHMETIC[String(name.name)];
      if (arithmetic !== undefined) add("arithmetic", rangeOf(name), arithmetic, scope);
      if (name.name === "not") add("arithmetic", range, textOf(rangeOf(args[0]!)), scope);
    }
  }

  /** Not of one that is all that an `if` or a loop does: with its condition forced false that is the same. */
  function addRemovals(node: AstNode, parent: AstNode | undefined, scope: Scope) {
    const { nodeType } = node;
    const statements = nodesAt(node, "statements");
    if (nodeType === "IfStatement" && nodeAt(node, "falseBody") !== undefined) {
      for (const branch of [nodeAt(node, "trueBody")!, nodeAt(node, "falseBody")!]) {
        addRemoval(branch, scope);
      }
    } else if (nodeType === "ForStatement") {
      const step = nodeAt(node, "loopExpression");
      if (step !== undefined) add("statement", rangeOf(step), "", scope);
    } else if (nodeType === "Block" || nodeType === "UncheckedBlock" || nodeType === "YulBlock") {
      const isConditional =
        parent !== undefined &&
        (LOOPS.has(parent.nodeType) ||
          parent.nodeType === "YulIf" ||
          (parent.nodeType === "IfStatement" && nodeAt(parent, "falseBody") === undefined));
      if (isConditional && statements.length === 1) return;
      for (const statement of statements) addRemoval(statement, scope);
    } else if (nodeType === "FunctionDefinition") {
      for (const modifier of nodesAt(node, "modifiers")) {
        if (modifier.kind === "modifierInvocation") add("statement", rangeOf(modifier), "", scope);
      }
    }
  }

  function addRemoval(statement: AstNode, scope: Scope) {
    if (!REMOVABLE.has(statement.nodeType)) return;
    const { start, end } = rangeOf(statement);
    if (statement.nodeType.startsWith("Yul")) return add("statement", { start, end }, "{}", scope);
    // Of a statement's own range only a bare return has the semicolon.
    const semicolon = content.indexOf(";", end - 1);
    const between = textOf({ start: end, end: Math.max(end, semicolon) });
    if (between.trim() !== "") throw new Error(`expected a semicolon after a statement, got ${between}`);
    add("statement", { start, end: semicolon + 1 }, "{}", scope);
  }

  function visit(node: AstNode, parent: AstNode | undefined, outer: Scope) {
    let scope = outer;
    if (node.nodeType === "ContractDefinition") {
      scope = { contract: String(node.name), name: "", functionId: undefined };
    } else if (node.nodeType === "FunctionDefinition" || node.nodeType === "ModifierDefinition") {
      const name = String(node.name === "" ? node.kind : node.name);
      scope = { contract: outer.contract, name, functionId: Number(node.id) };
    }
    addConditions(node, scope);
    addOperators(node, scope);
    addRemovals(node, parent, scope);
    for (const child of childrenOf(node)) visit(child, node, scope);
  }

  visit(unit, undefined, { contract: "", name: "", functionId: undefined });
  return mutants.sort((a, b) => a.start - b.start || a.end - b.end);
}

/** The source with a mutant's change made. */
export function applyMutant(content: Buffer, { start, end, replacement }: Mutant): string {
  return Buffer.concat([
    content.subarray(0, start),
    Buffer.from(replacement),
    content.subarray(end),
  ]).toString("utf8");
}
