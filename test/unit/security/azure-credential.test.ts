import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { credentialOf, SharedTokens } from "../../../src/lib/security/azure-credential.ts";
import { type ManagedIdentityEndpoint, startManagedIdentityEndpoint } from "../../support/managed-identity-endpoint.ts";

/** Who we are to Azure, as the platform's endpoint for identities sees it. */

const CLIENT_ID = "22222222-3333-4444-8555-666666666666";

describe("a login", () => {
  // One for all: the library keeps its address, and the tokens that it gave for a resource, as long as the process lives.
  let identity: ManagedIdentityEndpoint;
  beforeAll(async () => {
    identity = await startManagedIdentityEndpoint("a-token");
    Object.assign(process.env, identity.environment);
  });
  afterAll(async () => {
    for (const name of Object.keys(identity.environment)) delete process.env[name];
    await identity.close();
  });

  it.each([
    ["managed-identity", undefined, "https://a.example"],
    ["managed-identity", CLIENT_ID, "https://b.example"],
    ["default", undefined, "https://c.example"],
    ["default", CLIENT_ID, "https://d.example"],
  ] as const)("%s is for the identity that was named, %s", async (type, clientId, resource) => {
    const tokens = new SharedTokens(await credentialOf({ type, clientId }), systemClock);
    expect(await tokens.getToken(`${resource}/.default`)).toMatchObject({ token: "a-token" });
    expect(identity.asked.at(-1)).toEqual({ resource, clientId: clientId ?? null });
  });
});
