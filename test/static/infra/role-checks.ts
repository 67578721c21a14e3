import { expect, it } from "@jest/globals";
import type { Snapshot } from "./bicep.ts";
import { type Given, ofType } from "./environments.ts";

/** Who may do what on which resource: the whole list, so that a role more is seen as well as one too few. */

/** https://learn.microsoft.com/azure/role-based-access-control/built-in-roles */
const ROLES: Readonly<Record<string, string>> = {
  "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
  "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
  "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
  "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
  "b86a8fe4-44ce-4948-aee5-eccb2c155cd7": "Key Vault Secrets Officer",
  "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
  "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
};
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** `who: role on type`, sorted. */
function assignments(snapshot: Snapshot): string[] {
  return ofType(snapshot, "Microsoft.Authorization/roleAssignments")
    .map(({ id, properties }) => {
      const who = /-(app|migrator)'/.exec(String(properties.principalId))?.[1] ?? String(properties.principalId);
      const role = ROLES[String(properties.roleDefinitionId).split("/").at(-1) ?? ""];
      const target = /\/providers\/([\w.]+\/\w+)\/[^/]+\/providers\/Microsoft\.Authorization/.exec(id)?.[1];
      return `${who}: ${role} on ${target}`;
    })
    .sort();
}

const APP = [
  "app: Key Vault Secrets User on Microsoft.KeyVault/vaults",
  "app: Monitoring Metrics Publisher on Microsoft.Insights/components",
  "app: Storage Blob Data Owner on Microsoft.Storage/storageAccounts",
  "app: Storage Queue Data Contributor on Microsoft.Storage/storageAccounts",
  "app: Storage Table Data Contributor on Microsoft.Storage/storageAccounts",
];

export function roleChecks(given: Given): void {
  it("are the least that is needed, each on one resource", () => {
    expect(assignments(given().dev)).toEqual([
      ...APP,
      "migrator: Key Vault Secrets Officer on Microsoft.KeyVault/vaults",
    ]);
    expect(assignments(given().prod)).toEqual([
      ...APP,
      "migrator: AcrPull on Microsoft.ContainerRegistry/registries",
      "migrator: Key Vault Secrets Officer on Microsoft.KeyVault/vaults",
    ]);
  });

  it("have GUIDs for names, each its own", () => {
    const { dev, prod } = given();
    const names = [dev, prod].flatMap((found) =>
      ofType(found, "Microsoft.Authorization/roleAssignments").map(({ name }) => name),
    );
    for (const name of names) expect(name).toMatch(GUID);
    expect(new Set(names).size).toBe(names.length);
  });

  it("say that an identity is a service principal, so that a new one need not be found first", () => {
    for (const { properties } of ofType(given().prod, "Microsoft.Authorization/roleAssignments")) {
      expect(properties.principalType).toBe("ServicePrincipal");
    }
  });
}
