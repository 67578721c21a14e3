import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * The address at which App Service and Functions give an app the tokens of its managed identities.
 * https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
 */
export interface ManagedIdentityEndpoint {
  /** What the platform sets. */
  environment: Record<string, string>;
  /** What was asked for: resource and client id. */
  asked: { resource: string | null; clientId: string | null }[];
  close(): Promise<void>;
}

/** @param token what it gives, whoever asks */
export async function startManagedIdentityEndpoint(token: string): Promise<ManagedIdentityEndpoint> {
  const header = "secret-of-the-platform";
  const asked: ManagedIdentityEndpoint["asked"] = [];
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? "", "http://localhost");
    if (request.headers["x-identity-header"] !== header) {
      response.writeHead(401).end();
      return;
    }
    const [resource, clientId] = [searchParams.get("resource"), searchParams.get("client_id")];
    asked.push({ resource, clientId });
    const expiresOn = Math.floor(Date.now() / 1_000) + 86_400;
    const answer = { access_token: token, expires_on: String(expiresOn), resource, token_type: "Bearer" };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    environment: { IDENTITY_ENDPOINT: `http://127.0.0.1:${port}/msi/token`, IDENTITY_HEADER: header },
    asked,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
