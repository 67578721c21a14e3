import { describe, expect, it } from "@jest/globals";
import { BoundedMap } from "../../../src/lib/base/bounded-map.ts";

/** A map that forgets what was set first. */
describe("a bounded map", () => {
  it("keeps so many entries, the last ones", () => {
    const map = new BoundedMap<string, number>(3);
    for (const [at, key] of ["a", "b", "c"].entries()) map.set(key, at);
    expect([...map]).toEqual([
      ["a", 0],
      ["b", 1],
      ["c", 2],
    ]);
    map.set("d", 3);
    expect([...map.keys()]).toEqual(["b", "c", "d"]);
  });

  it("forgets none for a key that it has, which stays where it stands", () => {
    const map = new BoundedMap<string, number>(2).set("a", 1).set("b", 2);
    expect([...map.set("a", 3)]).toEqual([
      ["a", 3],
      ["b", 2],
    ]);
    expect([...map.set("c", 4).keys()]).toEqual(["b", "c"]);
  });

  it("takes as many again after some were taken away", () => {
    const map = new BoundedMap<string, number>(2).set("a", 1).set("b", 2);
    map.delete("b");
    expect([...map.set("c", 3).keys()]).toEqual(["a", "c"]);
    map.clear();
    expect([...map.set("d", 4).set("e", 5).keys()]).toEqual(["d", "e"]);
  });
});
