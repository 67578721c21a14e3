import { describe, expect, it } from "@jest/globals";
import { routes } from "../../../src/functions/route-table.ts";
import { ANYONE } from "../../../src/lib/gates/access.ts";
import type { Caller } from "../../../src/lib/gates/caller.ts";
import { dispatch } from "../../../src/lib/http/dispatch.ts";
import { problemSchema } from "../../../src/lib/http/openapi.ts";
import type { RawReply } from "../../../src/lib/http/problem.ts";
import type { Route } from "../../../src/lib/http/route.ts";
import { AGENT_ROLES, type AgentRole } from "../../../src/lib/model/agent.ts";
import { lineLog } from "../../../src/lib/trace/log.ts";
import { type StoreFactory, useStore } from "../../contract/store-under-test.ts";
import { ASKS } from "./walk-asks.ts";
import { type Ask, MARK, type Owner, World } from "./walk-world.ts";

/** Every route × every role × own, other's and nobody's object: what happens is what the route table says. */

const TABLE: readonly Route[] = routes;
const RELATIONS = ["own", "other", "nobody"] as const;
type Relation = (typeof RELATIONS)[number];

/** An agent that has proved itself. */
export function agentCaller({ agentId, role }: Owner, credentialId = "walk"): Caller {
  return { kind: "agent", agentId, role, roles: [role], credential: "token", credentialId };
}

/** Sends a request to a route, as that caller. */
export async function ask(
  world: World,
  route: Route,
  caller: Caller,
  { params = {}, query = {}, body, headers: more }: Ask,
): Promise<RawReply> {
  const log = lineLog((line) => {
    throw new Error(`${route.key}: ${line}`);
  });
  const headers: Record<string, string> = { "content-type": "application/json", ...more };
  const encoded = body === undefined ? undefined : new TextEncoder().encode(JSON.stringify(body));
  const raw = {
    params,
    query: new URLSearchParams(query).toString(),
    header: (name: string) => headers[name],
    bytes: encoded?.length ?? 0,
    body: encoded,
    signal: () => new AbortController().signal,
  };
  return dispatch(world.services, route, raw, caller, log);
}

/** Whose object another one of a role could be after: tasks are handed out by supervisors and done by workers. */
function roleOfOther(role: AgentRole, { allow }: Route): AgentRole {
  if (role === "worker" || role === "supervisor") return role;
  return allow !== ANYONE && allow.roles.supervisor === undefined ? "worker" : "supervisor";
}

async function ownerOf(world: World, route: Route, relation: Relation, caller: Owner): Promise<Owner> {
  if (relation === "own") return caller;
  const role = roleOfOther(caller.role, route);
  return relation === "other" ? world.agent(role) : world.ghost(role);
}

/** The code of a refusal. */
export function codeOf(reply: RawReply): string {
  return reply.status < 400 ? "accepted" : problemSchema.parse(JSON.parse(reply.text)).code;
}

/** What the detail says beside ids. */
export function wordsOf(reply: RawReply): string {
  const { detail } = problemSchema.parse(JSON.parse(reply.text));
  return detail.replaceAll(/(?:[a-z]+-)?[0-9a-f]{8}-[0-9a-f-]{27}/g, "<id>");
}

async function walk(world: World, route: Route, role: AgentRole): Promise<Record<Relation, RawReply>> {
  const walked: Partial<Record<Relation, RawReply>> = {};
  for (const relation of RELATIONS) {
    const caller = await world.agent(role);
    const asked = (await ASKS[route.key]?.(world, await ownerOf(world, route, relation, caller))) ?? {};
    walked[relation] = await ask(world, route, agentCaller(caller, await world.tokenOf(caller)), asked);
  }
  const { own, other, nobody } = walked;
  if (own === undefined || other === undefined || nobody === undefined) throw new Error("a relation was not walked");
  return { own, other, nobody };
}

const REFUSED_BY_ROLE = new Set(["UNAUTHENTICATED", "FORBIDDEN"]);

/** The suite on a store. */
export function accessWalk(open: StoreFactory): void {
  const stage = useStore(open);
  const world = () => new World(stage.under);

  it("has a request for every route", () => {
    expect(Object.keys(ASKS).sort()).toEqual(TABLE.map(({ key }) => key).sort());
  });

  it("counts what it refuses by caller and code, in the audit", async () => {
    const here = world();
    const caller = await here.agent("worker");
    const maintenance = TABLE.find(({ key }) => key === "POST /maintenance");
    if (maintenance === undefined) throw new Error("there is no maintenance");
    for (let time = 0; time < 3; time += 1) await ask(here, maintenance, agentCaller(caller), {});
    await here.services.refusals.close();
    const { entries } = await here.services.audit.list({ actor: caller.agentId, action: "request.refused" });
    // A minute may have ended in between.
    expect(entries.map(({ subjectId }) => subjectId)).toEqual(entries.map(() => "FORBIDDEN"));
    expect(entries.reduce((sum, { detail }) => sum + Number(detail.count), 0)).toBe(3);
  });

  it("an observer sees neither what tasks have resulted in nor why they failed", async () => {
    const here = world();
    const observer = agentCaller(await here.agent("observer"));
    const admin = agentCaller(await here.agent("admin"));
    for (const end of ["complete", "fail"] as const) {
      const worker = await here.agent("worker");
      const taskId = await here.endedTaskOf(worker, end);
      const { supervisor } = await here.services.coordinator.get(taskId);
      const shown = { read: 0 };
      for (const route of TABLE.filter(({ key }) => key.startsWith("GET /tasks"))) {
        const asked = route.key.includes("{taskId}") ? { params: { taskId } } : { query: { supervisor } };
        const reply = await ask(here, route, observer, asked);
        expect([route.key, codeOf(reply), reply.text.includes(MARK)]).toEqual([route.key, "accepted", false]);
        expect(JSON.parse(reply.text)).not.toEqual({ tasks: [], nextCursor: null });
        if ((await ask(here, route, admin, asked)).text.includes(MARK)) shown.read += 1;
      }
      // What is withheld is there.
      expect(shown.read).toBeGreaterThanOrEqual(2);
    }
  });

  it("a worker reads what the task in its hands depends on, and only while it has it", async () => {
    const here = world();
    const { coordinator } = here.services;
    const [supervisor, other, worker] = [
      await here.agent("supervisor"),
      await here.agent("worker"),
      await here.agent("worker"),
    ];
    const route = TABLE.find(({ key }) => key === "GET /tasks/{taskId}");
    if (route === undefined) throw new Error("tasks cannot be read");
    const read = async (taskId: string) => codeOf(await ask(here, route, agentCaller(worker), { params: { taskId } }));
    const assign = (assignTo: Owner, dependsOn: string[]) =>
      coordinator.assign({ supervisor: supervisor.agentId, assignTo: assignTo.agentId, taskType: "walk", dependsOn });
    const { taskId: needed } = await assign(other, []);
    const { taskId: unrelated } = await assign(other, []);
    const { taskId: mine } = await assign(worker, [needed]);
    expect(await read(needed)).toBe("TASK_NOT_FOUND");
    await coordinator.complete(needed, { agentId: other.agentId, attempt: 1, result: { MARK } });
    expect([await read(needed), await read(unrelated)]).toEqual(["accepted", "TASK_NOT_FOUND"]);
    await coordinator.complete(mine, { agentId: worker.agentId, attempt: 1 });
    expect([await read(mine), await read(needed)]).toEqual(["accepted", "TASK_NOT_FOUND"]);
  });

  describe.each(TABLE.map((route) => ({ key: route.key, route })))("$key", ({ route }) => {
    const { allow } = route;

    it.each(AGENT_ROLES)("as %s", async (role) => {
      const reach = allow === ANYONE ? "any" : allow.roles[role];
      const { own, other, nobody } = await walk(world(), route, role);
      switch (reach) {
        case undefined:
          for (const reply of [own, other, nobody]) expect(codeOf(reply)).toBe("FORBIDDEN");
          break;
        case "own":
          expect(own.status).toBeLessThan(300);
          expect(other.status).toBeGreaterThanOrEqual(400);
          // What is somebody else's and what is not there at all look the same.
          expect(codeOf(nobody)).toBe(codeOf(other));
          expect(wordsOf(nobody)).toBe(wordsOf(other));
          break;
        case "without contents":
          for (const reply of [own, other]) {
            expect(reply.status).toBeLessThan(300);
            expect(reply.text).not.toContain(MARK);
          }
          break;
        case "any":
          for (const reply of [own, other, nobody]) expect(REFUSED_BY_ROLE).not.toContain(codeOf(reply));
          expect(Math.min(own.status, other.status)).toBeLessThan(300);
      }
    });

    it("without a credential, and with an enrolment key", async () => {
      const here = world();
      const asked = (await ASKS[route.key]?.(here, await here.agent("worker"))) ?? {};
      const anonymous = codeOf(await ask(here, route, { kind: "anonymous" }, asked));
      const key: Caller = { kind: "enrolment", credentialId: "walk", roles: ["worker"], agentIdPrefix: "walk-" };
      const enrolling = codeOf(await ask(here, route, key, asked));
      if (allow === ANYONE) expect([anonymous, enrolling]).toEqual(["accepted", "accepted"]);
      else {
        expect(anonymous).toBe("UNAUTHENTICATED");
        if (!allow.enrolment) expect(enrolling).toBe("FORBIDDEN");
      }
    });
  });
}
