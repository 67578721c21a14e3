import { stopwatch } from "../model/clock.ts";
import type { Store } from "../store/store.ts";
import { currentSpan } from "../trace/current-trace.ts";
import { codeOf } from "../trace/error-code.ts";
import type { Attributes, Span, Telemetry } from "../trace/telemetry.ts";
import { AFTER, FAILED, IDLE, IDS } from "./store-verbs.ts";

/** The store as telemetry sees it: each verb a span and a round trip, and what came of it counted. */

/** No verbs: they tell the time, or are of the process. */
const PLAIN: ReadonlySet<string> = new Set(["now", "onDeliverable", "close"]);

type Verb = (...args: unknown[]) => unknown;

/**
 * `store` with every verb observed, whatever verbs there are.
 *
 * @param system `db.system.name` of its engine
 */
export function observedStore(store: Store, telemetry: Telemetry, system: "sqlite" | "microsoft.sql_server"): Store {
  const observed = new Map<string, Verb>();
  const now = () => store.now();
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof name !== "string" || typeof member !== "function") return member;
      const known = observed.get(name);
      if (known !== undefined) return known;
      const call: Verb = (...args) => Reflect.apply(member, target, args);
      const verb: Verb = PLAIN.has(name) ? call : (...args) => observe({ telemetry, system, name, args, call, now });
      observed.set(name, verb);
      return verb;
    },
  });
}

interface Call {
  telemetry: Telemetry;
  system: string;
  name: string;
  args: unknown[];
  call: Verb;
  now(): number;
}

async function observe(call: Call): Promise<unknown> {
  const { telemetry, system, name } = call;
  const ids = apply(IDS, name, call.args) as Attributes | undefined;
  const request = currentSpan();
  // What belongs to no request and no timer, such as the looks that all long polls share, is measured only.
  if (request === undefined) return measured(call, undefined);
  // On the request, where one looks for them.
  if (ids !== undefined) request.set(ids);
  const attributes = { "db.system.name": system, "db.operation.name": name };
  const start = { name: `store ${name}`, kind: "client" as const, attributes, idle: IDLE.has(name) };
  return telemetry.span(start, (span) => measured(call, { span, request }));
}

async function measured(call: Call, spans: { span: Span; request: Span } | undefined): Promise<unknown> {
  const { telemetry, name, args } = call;
  const elapsed = stopwatch();
  try {
    const result = await call.call(...args);
    telemetry.measure("agent_communication.store.round_trip", elapsed(), { verb: name, outcome: "ok" });
    apply(AFTER, name, [{ telemetry, ...spans, now: call.now() }, result, args]);
    return result;
  } catch (error) {
    const outcome = codeOf(error);
    telemetry.measure("agent_communication.store.round_trip", elapsed(), { verb: name, outcome });
    apply(FAILED, name, [telemetry, outcome]);
    throw error;
  }
}

/** The table's function for that verb, if it has one; the tables are typed by verb where they stand. */
function apply(table: object, name: string, args: readonly unknown[]): unknown {
  const found: unknown = Object.hasOwn(table, name) ? Reflect.get(table, name) : undefined;
  return typeof found === "function" ? Reflect.apply(found, undefined, args) : undefined;
}
