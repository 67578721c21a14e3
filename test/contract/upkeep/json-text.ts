import { describe, expect, it } from "@jest/globals";
import type { JsonValue } from "../../../src/lib/model/json.ts";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { only, type Scene } from "../support.ts";

const TEXT = '{"text":"zażółć","list":[1,2,{"deep":true}]}';

/** Contents become text where a request is parsed; the stores take it from there. */
export function jsonTextContract(open: StoreFactory): void {
  describe("a content becomes JSON text once", () => {
    const stage = useStore(open);

    const calls: Readonly<
      Record<string, (scene: Scene, value: { [key: string]: JsonValue }) => Promise<JsonValue | undefined>>
    > = {
      async "the payload of a message"(scene, payload) {
        const [sender, receiver] = [await scene.agent(), await scene.agent()];
        await scene.send(sender, receiver, { payload });
        return only(await scene.receive(receiver)).payload;
      },
      async "the payload of a post"(scene, payload) {
        const [sender, member] = [await scene.agent(), await scene.agent()];
        const channel = await scene.channel("broadcast", { members: [member] });
        await scene.post(sender, channel, { payload });
        return only(await scene.receive(member)).payload;
      },
      async "the parameters of a task"(scene, parameters) {
        return (await scene.look(await scene.submit(await scene.supervisor(), { parameters }))).parameters;
      },
      async "the metadata of an agent"(scene, metadata) {
        return (await scene.register({ role: "observer", metadata })).metadata;
      },
    };

    it.each(Object.keys(calls))("%s", async (name) => {
      const value = { text: "zażółć", list: [1, 2, { deep: true }] };
      const plain = JSON.stringify;
      let texts = 0;
      // The language's own function, counted: what is tested is how often it is called.
      JSON.stringify = new Proxy(plain, {
        apply(target, self, call) {
          const text = Reflect.apply(target, self, call);
          if (text === TEXT) texts += 1;
          return text;
        },
      });
      try {
        const kept = await calls[name]?.(stage.scene(), value);
        expect([kept, texts]).toEqual([value, 1]);
      } finally {
        JSON.stringify = plain;
      }
    });
  });
}
