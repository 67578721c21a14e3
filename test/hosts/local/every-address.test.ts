import { createServer } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "@jest/globals";
import { addressesOf, listenOnOtherAddresses } from "../../../src/local/every-address.ts";

/** Every address of 127.0.0.0/8 is this machine's on Linux, and on macOS those that have been set up: these tests need 127.0.0.2. */
const silent = { info: () => {}, error: () => {} };
const server = createServer((request, response) => response.end(request.headers.host));

async function listen(): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

const refused = (host: string, port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(false);
    });
    socket.on("error", () => resolve(true));
  });

describe("a host name that stands for several addresses", () => {
  afterEach(() => void server.close());

  it("resolves to each of them once; an address is itself", async () => {
    const addresses = await addressesOf("localhost");
    expect(addresses).toEqual([...new Set(addresses)]);
    expect(addresses.every((address) => address === "::1" || address.startsWith("127."))).toBe(true);
    expect(await addressesOf("192.0.2.7")).toEqual(["192.0.2.7"]);
  });

  it("is served on all of them by one server, until it stops", async () => {
    const port = await listen();
    const events: unknown[] = [];
    const log = { ...silent, info: (...event: unknown[]) => void events.push(event) };
    // 192.0.2.0/24 is for documentation: no machine has it.
    const close = await listenOnOtherAddresses(server, ["127.0.0.1", "127.0.0.2", "192.0.2.1"], log);
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      const reply = await fetch(`http://${host}:${port}/`);
      expect([host, await reply.text()]).toEqual([host, `${host}:${port}`]);
    }
    expect(events).toEqual([[expect.stringContaining("not on this machine"), { address: "192.0.2.1" }]]);
    close();
    expect(await refused("127.0.0.2", port)).toBe(true);
  });

  it("is refused when another process has the port on one of them, and lets go of the others", async () => {
    const port = await listen();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(port, "127.0.0.3", resolve));
    await expect(listenOnOtherAddresses(server, ["127.0.0.2", "127.0.0.3"], silent)).rejects.toMatchObject({
      code: "EADDRINUSE",
    });
    expect(await refused("127.0.0.2", port)).toBe(true);
    await new Promise((resolve) => other.close(resolve));
  });
});
