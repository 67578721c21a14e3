import { describe, expect, it } from "@jest/globals";
import { type StoreFactory, useStore } from "../store-under-test.ts";
import { at, everyPage, SECOND } from "../support.ts";

/** The registered custom types; that payloads satisfy them is the domain's to check, before the store is asked. */
export function messageTypesContract(open: StoreFactory): void {
  describe("message types", () => {
    const stage = useStore(open);
    const schema = { type: "object", properties: { ä: { const: [1, null, true] } }, required: ["ä"] };

    it("are put, found and replaced", async () => {
      const scene = stage.scene();
      const type = `put.${scene.tag}`;
      const before = scene.store.now();
      const first = await scene.store.putMessageType(type, schema);
      expect(first).toMatchObject({ created: true, definition: { type, schema } });
      expect(at(first.definition.updatedAt)).toBeGreaterThanOrEqual(before);
      expect(await scene.store.findMessageType(type)).toEqual(first.definition);
      scene.advance(10 * SECOND);
      const second = await scene.store.putMessageType(type, true);
      expect(second).toMatchObject({ created: false, definition: { type, schema: true } });
      expect(at(second.definition.updatedAt)).toBeGreaterThanOrEqual(at(first.definition.updatedAt) + 10 * SECOND);
      scene.advance(6 * SECOND);
      expect(await scene.store.findMessageType(type)).toEqual(second.definition);
    });

    it("keep false, which refuses everything, apart from absent", async () => {
      const scene = stage.scene();
      const type = `never.${scene.tag}`;
      expect(await scene.store.findMessageType(type)).toBeUndefined();
      await scene.store.putMessageType(type, false);
      scene.advance(6 * SECOND);
      expect((await scene.store.findMessageType(type))?.schema).toBe(false);
    });

    it("are deleted once", async () => {
      const scene = stage.scene();
      const type = `gone.${scene.tag}`;
      await scene.store.putMessageType(type, {});
      expect(await scene.store.deleteMessageType(type)).toBe(true);
      expect(await scene.store.deleteMessageType(type)).toBe(false);
      scene.advance(6 * SECOND);
      expect(await scene.store.findMessageType(type)).toBeUndefined();
      expect((await scene.store.putMessageType(type, {})).created).toBe(true);
    });

    it("are listed by name", async () => {
      const scene = stage.scene();
      for (const name of ["c", "a", "b", "a.b", "a_b"]) await scene.store.putMessageType(`${name}.${scene.tag}`, {});
      const types = (await everyPage((page) => scene.store.listMessageTypes(page), 2)).map((item) => item.type);
      const mine = types.filter((type) => type.endsWith(scene.tag));
      expect(mine).toEqual(["a", "a.b", "a_b", "b", "c"].map((name) => `${name}.${scene.tag}`).sort());
      expect(types).toEqual([...types].sort());
    });

    it("do not restrict what the store is told to keep", async () => {
      const scene = stage.scene();
      const type = `strict.${scene.tag}`;
      await scene.store.putMessageType(type, false);
      const sender = await scene.agent();
      expect(await scene.send(sender, sender, { type, payload: "anything" })).toBeDefined();
    });
  });
}
