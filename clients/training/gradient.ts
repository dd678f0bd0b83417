import { type Graph, graphError, type Value } from "./graph.ts";
import { operators } from "./operators.ts";

/**
 * Reverse-mode differentiation: adds the nodes that compute the gradient of a scalar by each of some values.
 * @param loss a scalar of the graph
 * @param variables values that it depends on
 * @returns for each variable the gradient, in its shape
 * @throws {GradworkError} `INVALID_GRAPH` when the loss is no scalar, does not depend on a variable, or depends on it
 * through an operator without a gradient
 */
export function gradients(graph: Graph, loss: Value, variables: readonly Value[]): Value[] {
  if (loss.shape.length > 0) throw graphError(`only a scalar has a gradient, got shape ${loss.shape}`);
  const varying = new Set(variables);
  for (const { inputs, output } of graph.nodes) {
    // Integers are lengths and indices, which do not vary with the variables.
    if (output.type === "float" && inputs.some((input) => varying.has(input))) varying.add(output);
  }
  const adjoints = new Map<Value, Value>([[loss, graph.scalar(1)]]);
  for (const { operator, inputs, attributes, output } of graph.nodes.toReversed()) {
    const dy = adjoints.get(output);
    if (dy === undefined || !varying.has(output)) continue;
    const { gradient } = operators[operator];
    if (gradient === undefined) throw graphError(`${operator} has no gradient`);
    for (const [i, dx] of gradient({ graph, attributes, y: output, dy }, ...inputs).entries()) {
      const input = inputs[i]!;
      if (dx === undefined || !varying.has(input)) continue;
      const sum = adjoints.get(input);
      adjoints.set(input, sum === undefined ? dx : graph.add(sum, dx));
    }
  }
  return variables.map((variable) => {
    const adjoint = adjoints.get(variable);
    if (adjoint === undefined) throw graphError("the loss does not depend on a variable");
    return adjoint;
  });
}
