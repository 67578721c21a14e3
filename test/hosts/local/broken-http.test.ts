import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { problemSchema } from "../../../src/lib/http/openapi.ts";
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

  it("of version 1.1 without a Host is refused with a problem document, and closes its connection", async () => {
    expect(problemOf(await exchange("GET /api/health HTTP/1.1\r\n\r\n")).code).toBe("INVALID_REQUEST");
  });

  it("that two readers may take for different requests is refused, and its connection closed", async () => {
    const head = (target: string, lines: string) => `GET ${target} HTTP/1.1\r\n${lines}\r\n\r\n`;
    const own = new URL(host.url).host;
    const ambiguous: [text: string, detail: string][] = [
      [head("/api/health", "Host: localhost\r\nhost: other.example"), "Host: must be present once."],
      [head("/api/health", "Host: localhost\r\nHost: localhost"), "Host: must be present once."],
      [head("http://other.example/api/health", `Host: ${own}`), "Host: must be the host of the request's target."],
      [
        head("HTTP://localhost@other.example/api/health", "Host: localhost"),
        "Host: must be the host of the request's target.",
      ],
      [
        `${head("/api/health", "Host: localhost\r\nTransfer-Encoding: gzip, chunked")}0\r\n\r\n`,
        "Transfer-Encoding: must be chunked.",
      ],
    ];
    for (const [text, detail] of ambiguous) {
      const answer = await exchange(text);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
      expect(problemOf(answer)).toMatchObject({ code: "INVALID_REQUEST", detail });
    }
    const served = [
      head(`http://${own}/api/health`, `Host: ${own}`),
      head("http://LOCALHOST/api/health", "Host: localhost"),
    ];
    for (const text of served) {
      expect(await exchange(text, (answer) => answer.endsWith("}"))).toMatch(/^HTTP\/1\.1 200 /);
    }
  });

  it("behind an answer that came early is not answered again: that would be taken for the answer of another request", async () => {
    const json = "Host: localhost\r\nContent-Type: application/json\r\n";
    const heads = [
      // Refused by their headers, before their bodies are looked at.
      `POST /api/agents HTTP/1.1\r\n${json}Transfer-Encoding: gzip, chunked\r\n\r\n`,
      `POST /api/agents HTTP/1.1\r\n${json}Transfer-Encoding: chunked, identity\r\n\r\n`,
      `POST /api/agents HTTP/1.1\r\n${json.replace("localhost", "other.example")}Transfer-Encoding: chunked\r\n\r\n`,
    ];
    const { hostname, port } = new URL(host.url);
    for (const head of heads) {
      for (const apart of [false, true]) {
        const answers = await new Promise<string>((resolve) => {
          let answer = "";
          const rest = "zz\r\nGET /api/health HTTP/1.1\r\nHost: localhost\r\n\r\n";
          const socket = connect(Number(port), hostname, () => socket.write(apart ? head : head + rest));
          socket.on("data", (chunk) => {
            answer += chunk.toString();
            if (apart && socket.writable) socket.end(rest);
          });
          socket.on("error", () => socket.destroy());
          socket.on("close", () => resolve(answer));
        });
        expect([head, apart, answers.match(/HTTP\/1\.1 \d+/g)]).toEqual([
          head,
          apart,
          [expect.stringMatching(/ 40[03]$/)],
        ]);
      }
    }
  });

  it("is not what expects something that is not known here", async () => {
    const text = "GET /api/health HTTP/1.1\r\nHost: localhost\r\nExpect: the-unexpected\r\n\r\n";
    expect(await exchange(text, (answer) => answer.includes("healthy"))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each(["Host: localhost\r\nExpect: the-unexpected", "X-No: host"])(
    "that is sent ahead behind a long poll is bounded: %j",
    async (line) => {
      const json = { "content-type": "application/json" };
      const agent = JSON.stringify({ agentId: "polls", role: "worker" });
      await fetch(`${host.url}/agents`, { method: "POST", headers: json, body: agent });
      const poll =
        "POST /api/agents/polls/messages/receive HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
      const began = performance.now();
      const ahead = `GET /api/health HTTP/1.1\r\n${line}\r\nX-Long: ${"x".repeat(15_000)}\r\n\r\n`;
      // 3 MB, where 2 MiB are allowed.
      const answer = await exchange(`${poll}Content-Length: 18\r\n\r\n{"waitSeconds":20}${ahead.repeat(200)}`);
      expect(answer).toBe("");
      expect(performance.now() - began).toBeLessThan(15_000);
    },
  );
});
