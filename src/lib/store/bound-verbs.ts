/** A verb as an engine writes it: what it works with comes first, then the call. */
type EngineVerb<First> = (first: First, ...call: never[]) => unknown;

/** The verbs as callers have them. */
type BoundVerbs<First, Verbs> = {
  [Name in keyof Verbs]: Verbs[Name] extends (first: First, ...call: infer Call) => infer Answer
    ? (...call: Call) => Promise<Awaited<Answer>>
    : never;
};

/**
 * Verbs under their names, without their first parameter.
 *
 * @param run gives it to one of them, in a transaction or as it is
 * @example
 * bindVerbs({ getAgent, listAgents }, (verb: Read) => connection.read(verb)) // { getAgent: (agentId) => …, … }
 */
export function bindVerbs<First, Verbs extends Record<string, EngineVerb<First>>>(
  verbs: Verbs,
  run: (verb: (first: First) => unknown) => unknown,
): BoundVerbs<First, Verbs> {
  const bound = Object.entries(verbs).map(([name, verb]) => {
    return [name, (...call: never[]) => run((first) => verb(first, ...call))] as const;
  });
  // Each is the verb of its name; both engines answer with promises.
  return Object.fromEntries(bound) as BoundVerbs<First, Verbs>;
}
