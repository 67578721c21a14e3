#!/usr/bin/env bash
# @modelcontextprotocol/server 2.4.0 (npm, the official SDK): a request handler that throws the error -32002, "resource not found" of the
# revision 2025-11-25, has it sent as -32602 to a client that has negotiated 2025-11-25. One would have sworn that the code which a handler
# throws is the code on the wire, all the more when it is the one that the negotiated revision prescribes; only 2026-07-28 renames it.
# -32003, a code that no revision knows, arrives as it was thrown. So a client of an earlier revision cannot tell a resource that is not
# there from invalid parameters by the code.
#
# Exits 0 while that is so, 1 when the behaviour has changed, 2 when it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @modelcontextprotocol/server@2.4.0 >/dev/null || exit 2
cat >try.mjs <<'JS'
import { ProtocolError, Server, WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/server";

const thrown = { "thing://gone": -32002, "thing://odd": -32003 };

/** One request to a server of its own, without a session, as the earlier revisions allow it. */
async function ask(method, params) {
  const server = new Server({ name: "try", version: "1" }, { capabilities: { resources: {} } });
  server.setRequestHandler("resources/read", ({ params: { uri } }) => {
    throw new ProtocolError(thrown[uri], "it is not there", { uri });
  });
  const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
  await server.connect(transport);
  const headers = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    "mcp-protocol-version": "2025-11-25",
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  const answer = await transport.handleRequest(new Request("http://localhost/mcp", { method: "POST", headers, body }));
  return answer.json();
}

const client = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "try", version: "1" } };
const { result } = await ask("initialize", client);
console.log(`negotiated: ${result.protocolVersion}`);
const codes = [];
for (const uri of Object.keys(thrown)) {
  const { error } = await ask("resources/read", { uri });
  console.log(`thrown ${thrown[uri]}, sent ${error.code}`);
  codes.push(error.code);
}
process.exitCode = result.protocolVersion === "2025-11-25" && String(codes) === "-32602,-32003" ? 0 : 1;
JS
node try.mjs
