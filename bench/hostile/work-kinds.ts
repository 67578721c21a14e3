import { type Attack, type Attacker, post, repeated } from "./attack.ts";

/** What hostile supervisors do: short requests for much work. */

const TASKS = 200;
/** Each lane of a supervisor has one request under way. */
const LANES = 4;

const idOf = ({ agentId }: Attacker) => `w-${agentId}`;
const tasks = (dependsOn: (n: number) => string[] = () => []) =>
  Array.from({ length: TASKS }, (_, n) => ({ ref: `r${n}`, taskType: "nobody.does", dependsOn: dependsOn(n) }));
const workflow = (attacker: Attacker, dependsOn?: (n: number) => string[], workflowId?: string) =>
  JSON.stringify({ supervisor: attacker.agentId, tasks: tasks(dependsOn), workflowId });

/** Several requests at a time. */
const inLanes =
  (attack: Attack): Attack =>
  async (target, attacker, signal) => {
    await Promise.all(Array.from({ length: LANES }, () => attack(target, attacker, signal)));
  };

export const WORK_KINDS: Readonly<Record<string, Attack>> = {
  "workflows of 200 tasks": inLanes(
    repeated(
      () => "/workflows",
      (attacker) => workflow(attacker),
    ),
  ),
  "workflows of 2,000 dependencies": inLanes(
    repeated(
      () => "/workflows",
      (attacker) => workflow(attacker, (n) => Array.from({ length: Math.min(n, 10) }, (_, back) => `r${n - back - 1}`)),
    ),
  ),
  "triggers of 200 tasks": inLanes(
    repeated(
      (attacker) => `/schedules/${idOf(attacker)}/trigger`,
      () => "{}",
      (target, attacker) => {
        const schedule = { supervisor: attacker.agentId, cron: "0 0 1 1 *", workflow: { tasks: tasks() } };
        return post(target, attacker, `/schedules/${idOf(attacker)}`, JSON.stringify(schedule), "PUT");
      },
    ),
  ),
  "workflows cancelled and retried": inLanes(
    repeated(
      (attacker) => ["cancel", "retry"].map((verb) => `/workflows/${idOf(attacker)}/${verb}`),
      () => "{}",
      (target, attacker) => post(target, attacker, "/workflows", workflow(attacker, undefined, idOf(attacker))),
    ),
  ),
};
