import { afterAll, beforeAll, describe, it } from "@jest/globals";
import { alertChecks } from "./alert-checks.ts";
import { Bicep, NO_BICEP } from "./bicep.ts";
import { combinationChecks } from "./combination-checks.ts";
import { compileChecks } from "./compile-checks.ts";
import type { Environments } from "./environments.ts";
import { roleChecks } from "./role-checks.ts";
import { securityChecks } from "./security-checks.ts";
import { settingChecks } from "./setting-checks.ts";

/** The templates of infra/, without Azure: compiled, linted, and asked what they would make. One compiler does it all. */

function checks(): void {
  let environments: Environments;
  const given = () => environments;
  beforeAll(async () => {
    const bicep = Bicep.start();
    const dev = await bicep.snapshot("infra/main.dev.bicepparam");
    environments = { bicep, dev, prod: await bicep.snapshot("infra/main.prod.bicepparam") };
  });
  afterAll(async () => {
    await environments?.bicep.stop();
  });

  describe("templates and parameter files", () => compileChecks(given));
  describe("combinations", () => combinationChecks(given));
  describe("the environment", () => securityChecks(given));
  describe("role assignments", () => roleChecks(given));
  describe("alerts", () => alertChecks(given));
  describe("the app's settings on Azure", () => settingChecks(given));
}

if (NO_BICEP === undefined) checks();
else it("checks the templates", () => console.log(`the templates of infra/: ${NO_BICEP}`));
