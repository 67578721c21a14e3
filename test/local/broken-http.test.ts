import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { problemSchema } from "../../src/lib/http/openapi.ts";
import { type LocalHost, startLocalHost } from "../http/local-host.ts";

let host: LocalHost;
beforeAll(async () => {
  host = await startLocalHost();
});
afterAll(() => host.stop());

/** Writes these bytes and reads until `enough` says so or the host closes. */
function exchange(text: string, enough: (answer: string) => boolean = () => false): Promise<string> {
  const { hostname, port } = new URL(host.url);
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(Number(port), hostname, () => socket.write(text));
    const done = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on("data", (chunk) => {
      answer += chunk.toString();
      if (enough(answer)) done();
    });
    socket.on("close", done);
    socket.on("error", done);
  });
}

function problemOf(answer: string) {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  expect(head).toMatch(/content-type: application\/problem\+json/i);
  return problemSchema.parse(JSON.parse(body));
}

describe("broken HTTP", () => {
  it("is answered with a problem document, and harms nobody", async () => {
    const broken = [
      "nonsense\r\n\r\n",
      "GET /api/health HTTP/9.9\r\n\r\n",
      "POST /api/agents HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
      "POST /api/agents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
      "GET /api/health HTTP/1.1\r\nHost: local\u0000host\r\n\r\n",
      "POST /api/agents HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ];
    for (const text of broken) expect(problemOf(await exchange(text)).code).toBe("INVALID_REQUEST");
    const large = `GET /api/agents/${"x".repeat(40_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    expect(problemOf(await exchange(large)).code).toBe("PAYLOAD_TOO_LARGE");
    expect((await fetch(`${host.url}/health`)).status).toBe(200);
  });

  it("that announces an enormous body is refused before the body comes", async () => {
    const head = (length: string) =>
      `POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
    for (const length of ["10000000000", "9007199254740993"]) {
      const answer = await exchange(head(length), (text) => text.includes("\r\n\r\n") && text.endsWith("}"));
      expect(problemOf(answer).code).toBe("PAYLOAD_TOO_LARGE");
    }
  });

  it("without a Host is not served", async () => {
    const answer = await exchange("GET /api/health HTTP/1.0\r\n\r\n");
    expect(problemOf(answer).code).toBe("FORBIDDEN");
  });
});
