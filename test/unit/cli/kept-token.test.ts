import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { runFile } from "../../support/run-process.ts";

/** AGENT_COMMUNICATION_TOKEN_FILE where there is no token to read: the person is told, and nothing is asked of the service. */
describe("a token file of the command line that cannot be read", () => {
  let folder = "";
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    response.end("{}");
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "agent-communication-token-"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterAll(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const run = (file: string) =>
    runFile("src/cli/main.ts", ["agents", "list"], {
      environment: {
        AGENT_COMMUNICATION_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
        AGENT_COMMUNICATION_TOKEN_FILE: file,
      },
    });

  it.each([
    ["a folder", (path: string) => mkdir(path), /EISDIR/],
    ["beneath a file", (path: string) => writeFile(path, "x"), /ENOTDIR/, "token"],
    [
      "with something that is no token",
      (path: string) => writeFile(path, "two words"),
      /something that is not a token/,
    ],
  ])("%s is a wrong command line, said without a second try", async (name, make, complaint, beneath = "") => {
    const path = join(folder, name.replaceAll(" ", "-"));
    await make(path);
    const { code, out, error } = await run(join(path, beneath));
    expect({ code, out, error, asked }).toEqual({
      code: 2,
      out: "",
      error: expect.stringMatching(complaint),
      asked: 0,
    });
    expect(error).toContain("AGENT_COMMUNICATION_TOKEN_FILE");
  });
});
