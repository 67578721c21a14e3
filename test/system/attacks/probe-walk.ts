import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { routes } from "../../../src/functions/route-table.ts";
import { ANYONE } from "../../../src/lib/gates/access.ts";
import { withhold } from "../../../src/lib/gates/withhold.ts";
import type { Route } from "../../../src/lib/http/route.ts";
import { AGENT_ROLES } from "../../../src/lib/model/agent.ts";
import { newId } from "../../../src/lib/model/ids.ts";
import { type StoreFactory, useStore } from "../../contract/store-under-test.ts";
import { agentCaller, ask, codeOf, wordsOf } from "./access-walk.ts";
import { ASKS } from "./walk-asks.ts";
import { REPEATS } from "./walk-repeats.ts";
import { type Ask, MARK, World } from "./walk-world.ts";

/**
 * What an agent could find out by asking: with its own name about ids that are not its own, by filters, and by repeats. Each part goes
 * by the route table, so that a new route, filter or id is noticed.
 */

const TABLE: readonly Route[] = routes;
/** What says how much is answered, and when. */
const PAGING = ["limit", "cursor", "afterVersion", "waitSeconds"];

/** The names of the fields of an object's schema. */
function fieldsOf(schema: z.ZodType | undefined): string[] {
  return schema === undefined
    ? []
    : Object.keys(propertiesOf(z.toJSONSchema(schema, { io: "input", unrepresentable: "any" })));
}

const jsonSchema = z.looseObject({ properties: z.record(z.string(), z.unknown()).optional() });

function propertiesOf(schema: unknown): Record<string, unknown> {
  return jsonSchema.parse(schema).properties ?? {};
}

/** A value of each filter that there is. A filter without one fails the walk. */
const FILTERS: Readonly<Record<string, string>> = {
  role: "worker",
  capability: "python",
  status: "completed",
  agentId: "walk",
  kind: "broadcast",
  receiver: "walk",
  type: "notification",
  reason: "walk",
  supervisor: "walk",
  assignedTo: "walk",
  taskType: "walk",
  parentTaskId: "walk",
};
const OF_ROUTE: Readonly<Record<string, string>> = {
  "GET /agents status": "active",
  "GET /usage from": "2026-01-01T00:00:00Z",
  "GET /usage to": "2026-01-01T00:00:00Z",
  "GET /usage by": "model",
};

/** Filters that are not called as the field that they look at. */
const LOOKS_AT: Readonly<Record<string, string>> = { capability: "capabilities", by: "model" };

/** Whether observers are shown a field of this name. */
function isShown(name: string): boolean {
  return JSON.stringify(withhold({ [name]: "shown" })) === JSON.stringify({ [name]: "shown" });
}

/** The suite on a store. */
export function probeWalk(open: StoreFactory): void {
  const stage = useStore(open);
  const world = () => new World(stage.under);

  const filters = TABLE.flatMap((route) =>
    route.allow === ANYONE || !Object.values(route.allow.roles).includes("without contents")
      ? []
      : fieldsOf(route.query)
          .filter((name) => !PAGING.includes(name))
          .map((name) => ({ key: route.key, name, route })),
  );

  describe("observers filter by nothing that they are not shown", () => {
    it("of the lists that they read", () => expect(filters.length).toBeGreaterThan(10));

    it.each(filters)("$key by $name", async ({ key, name, route }) => {
      const here = world();
      const observer = await here.agent("observer");
      const asked = (await ASKS[key]?.(here, await here.agent("worker"))) ?? {};
      const value = OF_ROUTE[`${key} ${name}`] ?? FILTERS[name];
      if (value === undefined)
        throw new Error(`${key}: a new filter, ${name}: give it a value, and look whether observers may use it`);
      const reply = await ask(here, route, agentCaller(observer), { ...asked, query: { [name]: value } });
      expect(codeOf(reply)).toBe(isShown(name) ? "accepted" : "FORBIDDEN");
      if (!isShown(name)) return;
      // What it filters by is among the fields that each of the list has.
      expect(JSON.stringify(z.toJSONSchema(route.reply, { unrepresentable: "any" }))).toContain(
        `"${LOOKS_AT[name] ?? name}":`,
      );
    });
  });

  it("no filter of a list of one's own shows a task of others", async () => {
    const here = world();
    const route = routeOf("GET /tasks");
    const [lead, hand] = [await here.agent("supervisor"), await here.agent("worker")];
    const { coordinator } = here.services;
    const task = {
      supervisor: lead.agentId,
      assignTo: hand.agentId,
      taskType: here.id("type"),
      parentTaskId: here.id("p"),
    };
    const { taskId } = await coordinator.assign(task);
    const values: Record<string, string> = { ...task, assignedTo: hand.agentId, status: "assigned" };
    for (const name of fieldsOf(route.query).filter((one) => !PAGING.includes(one))) {
      const query = { [name]: values[name] ?? "a new filter" };
      for (const role of ["worker", "supervisor"] as const) {
        const caller = agentCaller(await here.agent(role));
        expect([name, role, (await ask(here, route, caller, { query })).text.includes(taskId)]).toEqual([
          name,
          role,
          false,
        ]);
      }
      const own = await ask(here, route, agentCaller(name === "assignedTo" ? hand : lead), { query });
      expect([name, own.text.includes(taskId)]).toEqual([name, true]);
    }
  });

  const held = TABLE.filter(
    ({ key, body }) => /\{(?:messageId|taskId)\}/.test(key) && fieldsOf(body).includes("agentId"),
  );

  describe("with one's own name, what others hold and what is not there look the same", () => {
    it("on the routes of those that hold something", () => expect(held.length).toBeGreaterThanOrEqual(8));

    it.each(held.map((route) => ({ key: route.key, route })))("$key", async ({ key, route }) => {
      const here = world();
      for (const role of AGENT_ROLES) {
        if (route.allow === ANYONE || route.allow.roles[role] !== "own") continue;
        const caller = await here.agent(role);
        const replies = [];
        for (const owner of [await here.agent("worker"), here.ghost("worker")]) {
          const asked = (await ASKS[key]?.(here, owner)) ?? {};
          const body = { ...z.looseObject({}).parse(asked.body), agentId: caller.agentId };
          replies.push(await ask(here, route, agentCaller(caller), { ...asked, body }));
        }
        const [others, nobodys] = replies.map((reply) => [reply.status, codeOf(reply), wordsOf(reply)]);
        expect(others?.[0]).toBeGreaterThanOrEqual(400);
        expect(nobodys).toEqual(others);
      }
    });

    it("when the question that is answered is not there either", async () => {
      const here = world();
      const [stranger, lead] = [await here.agent("worker"), await here.agent("supervisor")];
      const answers = [];
      for (const owner of [lead, here.ghost("supervisor")]) {
        const params = { taskId: await here.taskOf(owner) };
        const body = { agentId: stranger.agentId, questionId: "987", answer: MARK };
        const route = routeOf("POST /tasks/{taskId}/answer");
        answers.push(await ask(here, route, agentCaller(stranger), { params, body }));
        if (owner !== lead) continue;
        const own = await ask(here, route, agentCaller(lead), { params, body: { ...body, agentId: lead.agentId } });
        expect(codeOf(own)).toBe("NOT_FOUND");
      }
      const [others, nobodys] = answers.map((reply) => [reply.status, codeOf(reply), wordsOf(reply)]);
      expect(others).toEqual([404, "TASK_NOT_FOUND", "There is no task <id>."]);
      expect(nobodys).toEqual(others);
    });

    it("in a batch of settlements, and as what a new task depends on", async () => {
      const here = world();
      const [hand, caller, lead, other] = [
        await here.agent("worker"),
        await here.agent("worker"),
        await here.agent("supervisor"),
        await here.agent("supervisor"),
      ];
      const ids = [await here.leasedBy(hand), here.id("message")];
      const settlements = ids.map((messageId) => ({ messageId, attempt: 1, outcome: "complete" }));
      const body = { agentId: caller.agentId, settlements };
      const settled = await ask(here, routeOf("POST /messages/settle"), agentCaller(caller), { body });
      expect(JSON.parse(settled.text).results).toEqual(ids.map((messageId) => ({ messageId, status: "lease_lost" })));
      for (const key of ["POST /tasks", "POST /tasks/preview", "POST /workflows"] as const) {
        const refusals = [];
        for (const taskId of [await here.taskOf(other), here.id("task")]) {
          const task = { taskId: newId(0), taskType: "walk", dependsOn: [taskId] };
          const body =
            key === "POST /workflows"
              ? { supervisor: lead.agentId, tasks: [{ ...task, ref: "one" }] }
              : { ...task, supervisor: lead.agentId };
          const reply = await ask(here, routeOf(key), agentCaller(lead), { body });
          refusals.push([codeOf(reply), wordsOf(reply)]);
        }
        expect(refusals[0]).toEqual(["DEPENDENCY_INVALID", expect.any(String)]);
        expect(refusals[1]).toEqual(refusals[0]);
      }
    });
  });

  describe("a repeat answers only what today's rights allow", () => {
    it("is looked at on every route that changes something", () => {
      const changing = TABLE.filter(({ method }) => method !== "GET").map(({ key }) => key);
      expect(Object.keys(REPEATS).sort()).toEqual(changing.sort());
    });

    const cases = Object.entries(REPEATS).flatMap(([key, repeat]) =>
      typeof repeat === "string" ? [] : [{ key, repeat }],
    );

    it.each(cases)("$key", async ({ key, repeat }) => {
      const here = world();
      for (const { says, by, asked, meanwhile, again = by, more = {}, code } of await repeat(here)) {
        const route = routeOf(key);
        const first = await ask(here, route, agentCaller(by), asked);
        expect([says, first.text, first.status < 300]).toEqual([says, first.text, true]);
        await meanwhile?.();
        const repeated = await ask(here, route, agentCaller(again), repeatOf(asked, more));
        expect([says, codeOf(repeated)]).toEqual([says, code]);
      }
    });
  });
}

function repeatOf(asked: Ask, more: object): Ask {
  return typeof asked.body === "object" ? { ...asked, body: { ...asked.body, ...more } } : asked;
}

function routeOf(key: string): Route {
  const route = TABLE.find((one) => one.key === key);
  if (route === undefined) throw new Error(`there is no route ${key}`);
  return route;
}
