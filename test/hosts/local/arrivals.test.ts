import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { afterEach, expect, it } from "@jest/globals";
import { systemClock } from "../../../src/lib/model/clock.ts";
import { Connections } from "../../../src/local/connections.ts";
import { TestAuthority } from "../../support/certificates.ts";
import { until } from "../../support/poll.ts";

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.destroy();
});

it("a TLS connection that waits for its turn makes its handshake then", async () => {
  const { certificate: cert, key } = await (await TestAuthority.create()).server();
  const silent = { info: () => {}, error: () => {} };
  const connections = new Connections({ perAddress: 10, aheadBytes: 8 * 1_024 }, silent, systemClock);
  const server = createServer(
    { cert, key },
    connections.inTurn((request, response) => {
      if (request.url !== "/waits") response.end("served");
    }),
  );
  connections.watch(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push({ destroy: () => void server.close().closeAllConnections() });
  const { port } = server.address() as AddressInfo;
  const call = (text: string): TLSSocket => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    socket.on("error", () => {});
    socket.write(text);
    open.push(socket);
    return socket;
  };
  const greedy = call("GET /waits HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20));
  await until("it is closed", () => greedy.destroyed);
  let received = "";
  for (let n = 0; n < 3; n += 1) {
    call("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").on("data", (chunk) => (received += chunk));
  }
  await until("all are served", () => received.match(/served/g)?.length === 3);
  expect(greedy.destroyed).toBe(true);
});
