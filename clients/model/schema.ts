/** Where a value breaks its schema: `path` as in `dataset.root` or `tensors[3].shape`. */
export type SchemaProblem = { path: string; expected: string; received: unknown };

/** Finds the first break of a rule in a value that came from JSON; undefined when there is none. */
export type Schema = (value: unknown, path: string) => SchemaProblem | undefined;

/** An integer in [min, max]. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Schema {
  const expected = max === Number.MAX_SAFE_INTEGER ? `an integer ≥ ${min}` : `an integer in ${min}…${max}`;
  return rule(
    expected,
    (value) => Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max,
  );
}

/** A finite number > 0. */
export const positiveNumber = rule(
  "a number > 0",
  (value) => typeof value === "number" && value > 0 && value < Number.POSITIVE_INFINITY,
);

export const boolean = rule("true or false", (value) => typeof value === "boolean");

export const text = rule("a string", (value) => typeof value === "string");

/** One of these strings. */
export function oneOf(...allowed: string[]): Schema {
  const expected = allowed.map((value) => JSON.stringify(value)).join(" or ");
  return rule(expected, (value) => typeof value === "string" && allowed.includes(value));
}

/** A string that matches all of a pattern, named in words. */
export function matching(expected: string, pattern: RegExp): Schema {
  return rule(expected, (value) => typeof value === "string" && pattern.test(value));
}

/** A list of at least `minLength` items. */
export function list(item: Schema, minLength = 0): Schema {
  const isList = rule(
    `a list of at least ${minLength}`,
    (value) => Array.isArray(value) && value.length >= minLength,
  );
  return (value, path) =>
    isList(value, path) ?? firstProblem(value as unknown[], (each, at) => item(each, `${path}[${at}]`));
}

/** An object with these fields; others are ignored. */
export function withFields(fields: Readonly<Record<string, Schema>>): Schema {
  const isObject = rule(
    "an object",
    (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  );
  return (value, path) =>
    isObject(value, path) ??
    firstProblem(Object.entries(fields), ([name, field]) => {
      const at = path === "" ? name : `${path}.${name}`;
      return Object.hasOwn(value as object, name)
        ? field((value as Record<string, unknown>)[name], at)
        : { path: at, expected: "this field", received: undefined };
    });
}

/** An object with these fields and no others. */
export function record(fields: Readonly<Record<string, Schema>>): Schema {
  const hasFields = withFields(fields);
  return (value, path) =>
    hasFields(value, path) ??
    firstProblem(Object.entries(value as object), ([name, received]) =>
      Object.hasOwn(fields, name)
        ? undefined
        : { path: path === "" ? name : `${path}.${name}`, expected: "no such field", received },
    );
}

/** A rule for one value, named in words that follow "expected". */
export function rule(expected: string, holds: (value: unknown) => boolean): Schema {
  return (value, path) => (holds(value) ? undefined : { path, expected, received: value });
}

function firstProblem<T>(
  items: readonly T[],
  find: (item: T, at: number) => SchemaProblem | undefined,
): SchemaProblem | undefined {
  for (const [at, item] of items.entries()) {
    const problem = find(item, at);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
