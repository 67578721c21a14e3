import { describe, expect, it } from "@jest/globals";
import type { EncryptedKind, OutdatedValue, Sealed, Store } from "../../../src/lib/store/store.ts";
import { type StoreFactory, useStore, withStore } from "../store-under-test.ts";
import { DAY, type Held, only, type Scene, SECOND } from "../support.ts";

const OLD = "0aaa";
const NEW = "5bbb";

/** Checkpoints, questions, defaults and answers, whose contents a store does not know: kept, joined, found, replaced, archived. */
export function waitingValuesContract(open: StoreFactory): void {
  describe("encrypted checkpoints, questions and answers", () => {
    const stage = useStore(open);

    it("come back with the version of their key, wherever they are read", async () => {
      const scene = stage.scene();
      const { held, supervisor, questionId } = await asked(scene);
      const seen = {
        checkpoint: sealed("checkpoint"),
        question: { questionId, content: sealed("question"), defaultAnswer: sealed("default") },
      };
      expect(await scene.look(held.taskId)).toMatchObject(seen);
      expect(await scene.store.getQuestion(held.taskId, questionId)).toMatchObject(seen.question);
      const message = only(await scene.waiting(supervisor, "task_question"));
      expect(message).toMatchObject({
        keyVersion: OLD,
        payload: { question: sealed("question").value, sensitive: true },
      });
      await answer(scene, held, questionId, supervisor);
      const assignment = only(await scene.receive(held.agentId, { types: ["task_assignment"] }));
      const resume = { reason: "answered", checkpoint: sealed("checkpoint").value, answer: sealed("answer").value };
      expect(assignment).toMatchObject({ payload: { resume }, resumeKeys: { checkpoint: OLD, answer: OLD } });
      expect((await scene.look(held.taskId)).question?.answer).toEqual(sealed("answer"));
    });

    it("of a default that was taken say so, since it is encrypted as one", async () => {
      const scene = stage.scene();
      const { held } = await asked(scene);
      await scene.pass(61 * SECOND);
      const assignment = only(await scene.receive(held.agentId, { types: ["task_assignment"] }));
      expect(assignment).toMatchObject({
        payload: { resume: { answer: sealed("default").value, answeredBy: "system" } },
        resumeKeys: { answer: OLD, byDefault: true },
      });
    });

    it("of a gate become its result as they are", async () => {
      const scene = stage.scene();
      const supervisor = await scene.supervisor();
      const question = {
        content: sealed("question"),
        defaultAnswer: sealed("result"),
        defaultRejects: false,
        askedOf: [],
      };
      const taskIds = [scene.fresh("t"), scene.fresh("t")];
      for (const taskId of taskIds) {
        const task = scene.task(supervisor, { taskId, requiredCapabilities: [] });
        await scene.store.assignTask({ ...task, question: { ...question, timeoutMilliseconds: 60_000 } });
      }
      const [answered = "", left = ""] = taskIds;
      await scene.store.answerQuestion(answered, {
        agentId: supervisor,
        questionId: "1",
        answer: sealed("other"),
        answerHash: "hash",
        rejects: false,
      });
      await scene.pass(61 * SECOND);
      expect(await scene.look(answered)).toMatchObject({ result: sealed("other").value, resultKeyVersion: OLD });
      expect(await scene.look(left)).toMatchObject({ result: sealed("result").value, resultKeyVersion: OLD });
    });

    it.each(["task_value", "archived_task_value"] as const)("are found and replaced as %s", async (kind) => {
      await withStore(open, {}, async (scene) => {
        const { held, supervisor, questionId } = await asked(scene);
        await answer(scene, held, questionId, supervisor);
        await scene.complete(await scene.held(held.taskId));
        if (kind === "archived_task_value") await archive(scene);
        const values = await walk(scene.store, kind);
        expect(values.map(({ name, belongsTo }) => `${belongsTo} ${name}`).sort()).toEqual(
          ["answer", "checkpoint", "default_answer", "question"].map((name) => `${held.taskId} ${name}`),
        );
        const count = await scene.store.countOutdated(NEW, 100);
        const replacements = values.map((value) => ({
          id: value.id,
          was: value,
          text: JSON.stringify(`new ${value.name}`),
        }));
        expect(await scene.store.replaceOutdated(kind, NEW, replacements)).toBe(4);
        expect(await scene.store.replaceOutdated(kind, NEW, replacements)).toBe(0);
        expect(await walk(scene.store, kind)).toEqual([]);
        expect(await scene.store.countOutdated(NEW, 100)).toBe(count - 4);
        expect(await scene.look(held.taskId)).toMatchObject({
          checkpoint: { value: "new checkpoint", keyVersion: NEW },
          question: {
            content: { value: "new question", keyVersion: NEW },
            defaultAnswer: { value: "new default_answer", keyVersion: NEW },
            answer: { value: "new answer", keyVersion: NEW },
          },
        });
      });
    });

    it("and plain ones are in the archive what they were", async () => {
      await withStore(open, {}, async (scene) => {
        const { held, supervisor, questionId } = await asked(scene);
        await answer(scene, held, questionId, supervisor);
        await scene.complete(await scene.held(held.taskId));
        const plain = await scene.assign(supervisor);
        const plainQuestion = await scene.ask(plain, { text: "Which?", options: ["a", "b"] }, { step: 1 });
        await scene.answer(plain.taskId, plainQuestion, supervisor, "a");
        await scene.complete(await scene.held(plain.taskId));
        const gate = await scene.submit(supervisor, { requiredCapabilities: [], question: { text: "Deploy?" } });
        await scene.answer(gate, "1", supervisor, "yes");
        const before = await Promise.all([held.taskId, plain.taskId, gate].map((taskId) => scene.look(taskId)));
        await archive(scene);
        for (const task of before) expect(await scene.look(task.taskId)).toEqual({ ...task, archived: true });
      });
    });
  });
}

function sealed(name: string): Sealed {
  return { value: `e1.${OLD}.${name}`, keyVersion: OLD };
}

async function asked(scene: Scene): Promise<{ held: Held; supervisor: string; questionId: string }> {
  const supervisor = await scene.supervisor();
  await scene.worker();
  const held = await scene.assign(supervisor);
  const { questionId } = await scene.store.suspendTask(held.taskId, {
    agentId: held.agentId,
    attempt: held.attempt,
    checkpoint: sealed("checkpoint"),
    until: {
      question: {
        content: sealed("question"),
        defaultAnswer: sealed("default"),
        defaultRejects: false,
        askedOf: [],
        timeoutMilliseconds: 60_000,
      },
    },
    untilHash: "hash",
  });
  return { held, supervisor, questionId: questionId ?? "" };
}

async function answer(scene: Scene, held: Held, questionId: string, agentId: string): Promise<void> {
  const call = { agentId, questionId, answer: sealed("answer"), answerHash: "hash", rejects: false };
  await scene.store.answerQuestion(held.taskId, call);
}

async function archive(scene: Scene): Promise<void> {
  scene.advance(31 * DAY);
  await scene.store.maintain();
}

async function walk(store: Store, kind: EncryptedKind): Promise<OutdatedValue[]> {
  const all: OutdatedValue[] = [];
  for (;;) {
    const last = all.at(-1);
    const next = await store.findOutdated(kind, NEW, last && { keyVersion: last.keyVersion, place: last.place });
    if (next.length === 0) return all;
    all.push(...next);
  }
}
