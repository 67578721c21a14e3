import { DEPENDENCY_CONDITIONS } from "../../../src/lib/model/dependency.ts";
import type { LeasedMessage } from "../../../src/lib/model/message.ts";
import type { AskInput } from "../../../src/lib/model/question.ts";
import { PRIORITIES } from "../../../src/lib/model/values.ts";
import { SECOND } from "../../contract/support.ts";
import { Actor, type Job, SKILLS } from "./actor.ts";
import { randomWorkflow } from "./graphs.ts";

/** What it may do, by how often: the numbers are shares. */
const PLAYS = [
  ["submit", 22],
  ["workflow", 8],
  ["send", 16],
  ["cancel", 5],
  ["cancelWorkflow", 1],
  ["retry", 8],
  ["retryWorkflow", 3],
  ["answer", 7],
  ["schedule", 3],
  ["receive", 27],
] as const;
type Play = (typeof PLAYS)[number][0];
const ALL_SHARES = PLAYS.reduce((sum, [, share]) => sum + share, 0);

/** Hands out tasks and workflows, sends messages, answers, cancels, retries, and reads what came of it. */
export class SupervisorActor extends Actor {
  #tasks: string[] = [];
  #workflows: string[] = [];
  /** How many more of each it may create. */
  #left = { tasks: 20, messages: 30, workflows: 5, schedules: 2 };
  readonly #schedules: string[] = [];

  /** Towards the end it answers what is open. */
  override get hasWork(): boolean {
    const { busy, rows } = this.world;
    return super.hasWork || (!busy && rows.number("SELECT count(*) AS n FROM task_questions WHERE state = 'open'") > 0);
  }

  protected async register(): Promise<void> {
    await this.ask(() => this.world.scene.register({ agentId: this.agentId, role: "supervisor" }));
    this.lastBeat = this.now;
  }

  protected forget(): void {
    this.#tasks = [];
    this.#workflows = [];
  }

  protected handle(message: LeasedMessage): void {
    const { random, busy } = this.world;
    if (busy && random.chance(0.1)) return;
    if (message.type === "task_question") this.answerMessage(message);
    else this.todo.push(this.settle(message, busy && random.chance(0.1) ? "retry" : "complete"));
  }

  protected find(): void {
    const { busy } = this.world;
    const job = busy ? this.#start(this.#choose()) : undefined;
    if (!busy && super.hasWork === false && this.hasWork) this.todo.push(this.#answerOpen());
    this.todo.push(job ?? this.receive());
  }

  #choose(): Play {
    let left = this.world.random.next() * ALL_SHARES;
    for (const [play, share] of PLAYS) {
      left -= share;
      if (left < 0) return play;
    }
    return "receive";
  }

  /** undefined: there is nothing that it could be done to. */
  #start(play: Play): Job | undefined {
    const { random } = this.world;
    const task = this.#tasks.length > 0 ? random.pick(this.#tasks) : undefined;
    const workflow = this.#workflows.length > 0 ? random.pick(this.#workflows) : undefined;
    if (play === "submit") return this.#left.tasks > 0 ? this.#submit() : undefined;
    if (play === "workflow") return this.#left.workflows > 0 ? this.#createWorkflow() : undefined;
    if (play === "send") return this.#left.messages > 0 ? this.#send() : undefined;
    if (play === "answer") return this.#answerOpen();
    if (play === "schedule") return this.#changeSchedule();
    if (play === "cancel" || play === "retry") return task === undefined ? task : this.#change(play, task);
    if (play === "cancelWorkflow" || play === "retryWorkflow") {
      return workflow === undefined ? workflow : this.#change(play, workflow);
    }
    return undefined;
  }

  #submit(): Job {
    this.#left.tasks -= 1;
    const { scene, random, watch, promises } = this.world;
    const taskId = scene.fresh("t");
    const known = [...watch.acknowledged];
    const others = known.length === 0 ? [] : random.some([random.pick(known), random.pick(known)]);
    const dependsOn = [...new Set(others)].map((other) => ({
      taskId: other,
      when: random.pick(DEPENDENCY_CONDITIONS),
    }));
    const expiresAt = new Date(this.now + random.between(40, 300) * SECOND).toISOString();
    const question = random.chance(0.12) ? this.#gate() : undefined;
    if (question !== undefined) {
      promises.gate(taskId, { askedOf: question.askedOf ?? [], defaultAnswer: question.defaultAnswer });
    }
    const task = {
      taskId,
      supervisor: this.agentId,
      dependsOn,
      priority: random.pick(PRIORITIES),
      ...(random.chance(0.15) ? { expiresAt } : {}),
      ...(question === undefined ? this.#work() : { taskType: "gate", question }),
    };
    return async () => {
      const { services } = this.world;
      // A time that has come before the call got through.
      const reply = await this.ask(() => services.coordinator.assign(task), "AGENT_NOT_FOUND", "INVALID_REQUEST");
      if (reply === undefined) return;
      watch.acknowledged.add(taskId);
      this.#tasks.push(taskId);
    };
  }

  #work() {
    const { scene, random, workers } = this.world;
    const splits = random.chance(0.4);
    return {
      taskType: splits ? "split" : "work",
      requiredCapabilities: [scene.skill, ...random.some(["read", "think"])],
      preferredCapabilities: random.some(SKILLS),
      timeoutSeconds: random.pick([20, 60, 300]),
      maxRetries: random.between(0, 4),
      ...(random.chance(0.2) ? { startTimeoutSeconds: random.pick([15, 60]) } : {}),
      ...(splits ? { children: { taskTypes: ["split", "work"] } } : {}),
      ...(random.chance(0.1) ? { assignTo: workers[0] } : {}),
    };
  }

  #gate(): AskInput {
    const { random, workers } = this.world;
    const askedOf = random.some(workers).slice(0, 2);
    const timeoutSeconds = random.pick([60, 200]);
    return {
      text: "Go on?",
      timeoutSeconds,
      ...(askedOf.length > 0 ? { askedOf } : {}),
      ...(random.chance(0.5) ? { defaultAnswer: random.pick(["yes", "reject"]) } : {}),
    };
  }

  #createWorkflow(): Job {
    this.#left.workflows -= 1;
    const { watch, promises } = this.world;
    const workflow = randomWorkflow(this.world, this.agentId);
    for (const { taskId, question } of workflow.tasks) {
      if (question && taskId) promises.gate(taskId, { askedOf: question.askedOf ?? [], defaultAnswer: undefined });
    }
    return async () => {
      const reply = await this.ask(() => this.world.services.workflows.create(workflow), "AGENT_NOT_FOUND");
      if (reply === undefined) return;
      for (const taskId of Object.values(reply.taskIds)) {
        watch.acknowledged.add(taskId);
        this.#tasks.push(taskId);
      }
      this.#workflows.push(reply.workflowId);
    };
  }

  #change(play: "cancel" | "retry" | "cancelWorkflow" | "retryWorkflow", id: string): Job {
    return async () => {
      const { coordinator, workflows } = this.world.services;
      const calls = {
        cancel: () => coordinator.cancel(id, { reason: "changed plans" }),
        retry: () => coordinator.retry(id),
        cancelWorkflow: () => workflows.cancel(id),
        retryWorkflow: () => workflows.retry(id),
      };
      await this.ask<unknown>(calls[play], "TASK_ENDED");
    };
  }

  /** Asks which questions it may answer, and answers one of them. */
  #answerOpen(): Job {
    return async () => {
      const { services, random } = this.world;
      const open = await this.ask(() => services.questions.list({ agentId: this.agentId }), "AGENT_NOT_FOUND");
      if (open === undefined || open.questions.length === 0) return;
      const { taskId, questionId } = random.pick(open.questions);
      this.todo.push(this.answer(taskId, questionId));
    };
  }

  /** Puts one, puts it anew, triggers it or takes it away. */
  #changeSchedule(): Job {
    const { random, scene } = this.world;
    const known = this.#schedules.length > 0 && random.chance(0.7) ? random.pick(this.#schedules) : undefined;
    if (known !== undefined && random.chance(0.4)) return this.#trigger(known);
    if (known !== undefined && random.chance(0.2)) return this.#drop(known);
    if (known === undefined && this.#left.schedules === 0) return this.receive();
    const scheduleId = known ?? scene.fresh("s");
    if (known === undefined) this.#left.schedules -= 1;
    const work = { taskType: "work", requiredCapabilities: [scene.skill], timeoutSeconds: 60, maxRetries: 1 };
    const creates = random.chance(0.5)
      ? { task: work }
      : {
          workflow: {
            tasks: [
              { ...work, ref: "a" },
              { ...work, ref: "b", dependsOn: ["a"] },
            ],
          },
        };
    const cron = random.pick(["* * * * *", "*/2 * * * *"]);
    const overlap = random.pick(["allow", "skip"] as const);
    return async () => {
      const input = { supervisor: this.agentId, cron, overlap, ...creates };
      const put = await this.ask(() => this.world.services.schedules.put(scheduleId, input), "AGENT_NOT_FOUND");
      if (put !== undefined && !this.#schedules.includes(scheduleId)) this.#schedules.push(scheduleId);
    };
  }

  #trigger(scheduleId: string): Job {
    const idempotencyKey = this.world.scene.fresh("key");
    return async () => {
      await this.ask(() => this.world.services.schedules.trigger(scheduleId, { idempotencyKey }), "NOT_FOUND");
    };
  }

  #drop(scheduleId: string): Job {
    return async () => {
      await this.ask(() => this.world.services.schedules.delete(scheduleId));
    };
  }

  #send(): Job {
    this.#left.messages -= 1;
    const { scene, random, ledger, workers, queue, news } = this.world;
    const receiver = random.pick([...workers, `#${queue}`, `#${queue}`, `#${news}`]);
    const message = scene.message(this.agentId, receiver, {
      messageId: scene.fresh("m"),
      priority: random.pick(PRIORITIES),
      orderingKey: random.pick([undefined, "k1", "k2"]),
      delaySeconds: random.pick([undefined, undefined, 30]),
      ttlSeconds: random.pick([undefined, undefined, 40]),
      maxAttempts: random.between(1, 5),
    });
    return async () => {
      const send = async () => {
        if (receiver === `#${news}`) await scene.store.broadcastMessage(message);
        else await scene.store.sendMessages([message]);
        return true;
      };
      const accepted = await this.ask(send, "AGENT_NOT_FOUND");
      if (accepted === undefined) return;
      ledger.acknowledged.add(message.messageId);
      if (receiver !== `#${news}` && random.chance(0.15)) this.todo.push(this.#withdraw(message.messageId));
    };
  }

  #withdraw(messageId: string): Job {
    return async () => {
      const { scene, ledger } = this.world;
      const reply = await this.ask(() => scene.store.withdrawMessage(messageId), "LEASE_LOST");
      if (reply?.status === "expired") ledger.withdrawn.set(messageId, (await scene.read(messageId)).attempt);
    };
  }
}
