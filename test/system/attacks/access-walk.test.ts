import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { ACCESS_PAGE, accessPage } from "../../../scripts/access-table.ts";
import { routes } from "../../../src/functions/route-table.ts";
import { ANYONE } from "../../../src/lib/gates/access.ts";
import type { Route } from "../../../src/lib/http/route.ts";
import { openSqliteUnderTest } from "../../contract/sqlite-under-test.ts";
import { accessWalk } from "./access-walk.ts";
import { probeWalk } from "./probe-walk.ts";

describe("the route table", () => {
  it("is what docs/access.md says (npm run docs:access)", () => {
    expect(readFileSync(ACCESS_PAGE, "utf8")).toBe(accessPage(routes));
  });

  it.each((routes as readonly Route[]).map((route) => ({ key: route.key, route })))(
    "$key: has a rule about objects exactly where a role reaches only its own",
    ({ route: { allow } }) => {
      if (allow === ANYONE) return;
      expect(allow.own !== undefined).toBe(Object.values(allow.roles).includes("own"));
      expect(Object.keys(allow.roles)).toContain("admin");
    },
  );
});

describe("walk of routes and roles on the embedded store", () => accessWalk(openSqliteUnderTest));

describe("probes of the routes on the embedded store", () => probeWalk(openSqliteUnderTest));
