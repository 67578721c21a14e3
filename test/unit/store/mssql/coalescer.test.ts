import { describe, expect, it } from "@jest/globals";
import { Coalescer, type Encoded } from "../../../../src/lib/store/mssql/coalescer.ts";

interface Item {
  name: string;
  key?: string;
}

/** A batch that was sent, in the order of sending; its outcome is given by hand. */
interface Sent {
  names: string[];
  answer(outcomes?: PromiseSettledResult<unknown>[]): void;
  fail(error: Error): void;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A coalescer in front of a send that a test answers itself. */
function scene(maxItems = 10, withKeys = true) {
  const sent: Sent[] = [];
  const send = (calls: readonly Encoded<never>[]): Promise<PromiseSettledResult<unknown>[]> =>
    new Promise((resolve, reject) => {
      const names = calls.map(({ json }) => JSON.parse(json.trim()).name as string);
      sent.push({
        names,
        answer: (outcomes) => resolve(outcomes ?? names.map((name) => ({ status: "fulfilled", value: `of ${name}` }))),
        fail: reject,
      });
    });
  const batch = withKeys ? { maxItems, conflictKey: (item: Item) => item.key } : { maxItems };
  const coalescer = new Coalescer(batch, send);
  const add = (name: string, key?: string, characters = 0): Promise<string> => {
    const item = key === undefined ? { name } : { name, key };
    return coalescer.add<Item, string>({ item, json: JSON.stringify(item).padEnd(characters) });
  };
  return { coalescer, sent, add, batches: () => sent.map(({ names }) => names) };
}

const MEBI = 1_024 * 1_024;

describe("calls of one verb", () => {
  it("made in one turn of the event loop go together, in order, each with its own answer", async () => {
    const { add, sent, batches } = scene();
    const answers = ["a", "b", "c"].map((name) => add(name));
    expect(sent).toEqual([]);
    await turn();
    expect(batches()).toEqual([["a", "b", "c"]]);
    sent[0]?.answer();
    expect(await Promise.all(answers)).toEqual(["of a", "of b", "of c"]);
  });

  it("fill a batch up to its items; two batches are in flight at once, what comes then waits", async () => {
    const { add, sent, batches } = scene(2);
    const answers = ["a", "b", "c", "d", "e", "f", "g"].map((name) => add(name));
    await turn();
    expect(batches()).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    answers.push(add("h"));
    await turn();
    expect(sent).toHaveLength(2);
    sent[1]?.answer();
    expect(await answers[2]).toBe("of c");
    await turn();
    expect(batches()[2]).toEqual(["e", "f"]);
    expect(sent).toHaveLength(3);
    sent[0]?.answer();
    await turn();
    expect(batches()[3]).toEqual(["g", "h"]);
    for (const batch of sent) batch.answer();
    expect(await Promise.all(answers)).toEqual(["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => `of ${name}`));
  });

  it("fill a batch up to 4 Mi characters; a larger call goes alone", async () => {
    const { add, sent, batches } = scene();
    const answers = [
      add("a", undefined, 3 * MEBI),
      add("b", undefined, MEBI),
      add("c", undefined, 5 * MEBI),
      add("d", undefined, 1),
    ];
    await turn();
    // Full to the last character: what is behind a call that does not fit may go before it only if it fits itself.
    expect(batches()).toEqual([["a", "b"], ["c"]]);
    sent[1]?.answer();
    await turn();
    expect(batches()[2]).toEqual(["d"]);
    for (const batch of sent) batch.answer();
    expect(await Promise.all(answers)).toEqual(["of a", "of b", "of c", "of d"]);
  });

  it("one character too many waits for the next batch", async () => {
    const { add, sent, batches } = scene();
    const answers = [add("a", undefined, 3 * MEBI), add("b", undefined, MEBI + 1)];
    await turn();
    expect(batches()).toEqual([["a"], ["b"]]);
    for (const batch of sent) batch.answer();
    await Promise.all(answers);
  });

  it("of one key are never in one batch, nor in flight at once, and keep their order", async () => {
    const { add, sent, batches } = scene();
    const answers = [add("a1", "a"), add("b1", "b"), add("a2", "a"), add("free"), add("a3", "a"), add("b2", "b")];
    await turn();
    expect(batches()).toEqual([["a1", "b1", "free"]]);
    answers.push(add("c1", "c"), add("a4", "a"));
    await turn();
    // The second lane takes what has nothing in flight.
    expect(batches()).toEqual([["a1", "b1", "free"], ["c1"]]);
    sent[0]?.answer();
    await turn();
    expect(batches()[2]).toEqual(["a2", "b2"]);
    sent[2]?.answer();
    await turn();
    expect(batches()[3]).toEqual(["a3"]);
    sent[3]?.answer();
    await turn();
    expect(batches()[4]).toEqual(["a4"]);
    for (const batch of sent) batch.answer();
    expect(await Promise.all(answers)).toHaveLength(8);
  });

  it("behind one that found no room wait with it, if they have its key", async () => {
    const { add, sent, batches } = scene();
    const answers = [add("a", undefined, 3 * MEBI), add("large", "k", 2 * MEBI), add("small", "k"), add("other", "o")];
    await turn();
    expect(batches()).toEqual([["a", "other"], ["large"]]);
    sent[1]?.answer();
    await turn();
    expect(batches()[2]).toEqual(["small"]);
    for (const batch of sent) batch.answer();
    await Promise.all(answers);
  });

  it("of a verb without keys share a batch", async () => {
    const { add, sent, batches } = scene(10, false);
    const answers = [add("a1", "a"), add("a2", "a")];
    await turn();
    expect(batches()).toEqual([["a1", "a2"]]);
    sent[0]?.answer();
    await Promise.all(answers);
  });
});

describe("what a batch meets", () => {
  it("the refusal of one call reaches that call alone", async () => {
    const { add, sent } = scene();
    const [a, b] = [add("a"), add("b")];
    await turn();
    sent[0]?.answer([
      { status: "rejected", reason: new Error("refused") },
      { status: "fulfilled", value: 2 },
    ]);
    await expect(a).rejects.toThrow("refused");
    expect(await b).toBe(2);
  });

  it("a call that it says nothing of fails instead of waiting for ever", async () => {
    const { add, sent } = scene();
    const [a, b] = [add("a"), add("b")];
    await turn();
    sent[0]?.answer([{ status: "fulfilled", value: 1 }]);
    await expect(b).rejects.toThrow("no outcome for a call");
    expect(await a).toBe(1);
  });

  it("a failed send fails its calls, frees their keys and its place, and the next go on", async () => {
    const { add, sent, batches } = scene();
    const [first, second] = [add("a1", "a"), add("a2", "a")];
    await turn();
    sent[0]?.fail(new Error("connection lost"));
    await expect(first).rejects.toThrow("connection lost");
    await turn();
    expect(batches()).toEqual([["a1"], ["a2"]]);
    sent[1]?.answer();
    expect(await second).toBe("of a2");
  });
});

describe("drained", () => {
  it("resolves at once where nothing is under way", async () => {
    await scene().coalescer.drained();
  });

  it("waits for what is in flight when nothing is queued any more", async () => {
    const { add, sent, coalescer } = scene();
    const answer = add("a");
    await turn();
    let drained = false;
    const done = coalescer.drained().then(() => {
      drained = true;
    });
    await turn();
    expect([sent.length, drained]).toEqual([1, false]);
    sent[0]?.answer();
    await done;
    expect(await answer).toBe("of a");
  });

  it("waits for what is queued and what is in flight, everyone who asks", async () => {
    const { add, sent, coalescer } = scene(1);
    const seen: string[] = [];
    const answers = ["a", "b", "c"].map((name) => add(name));
    const done = [1, 2].map(async () => {
      await coalescer.drained();
      seen.push("drained");
    });
    await turn();
    expect(sent).toHaveLength(2);
    sent[0]?.answer();
    await turn();
    sent[1]?.answer();
    await turn();
    expect(sent).toHaveLength(3);
    expect(seen).toEqual([]);
    sent[2]?.answer();
    await Promise.all(done);
    expect(seen).toEqual(["drained", "drained"]);
    expect(await Promise.all(answers)).toHaveLength(3);
    await coalescer.drained();
  });
});
