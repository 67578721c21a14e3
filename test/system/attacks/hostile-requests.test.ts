import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { type RequiredProcess, startRequiredProcess } from "../../support/required-process.ts";

/** Requests that are to be read differently by different readers, byte for byte against a real process: each gets nothing. */

let host: RequiredProcess;
let worker: { agentId: string; token: string };

beforeAll(async () => {
  host = await startRequiredProcess({ AGENT_BAD_CREDENTIALS_PER_SOURCE: "0" });
  worker = await host.agent("worker");
  await host.agent("victim");
});
afterAll(() => host.stop());

interface RawAnswer {
  status: number;
  body: string;
}

/** Sends these bytes and gives every answer that came before the host closed, or before nothing came for a while. */
function exchange(text: string): Promise<RawAnswer[]> {
  const { hostname, port } = new URL(host.origin);
  return new Promise((resolve) => {
    let received = "";
    const socket = connect(Number(port), hostname, () => socket.write(text, "latin1"));
    socket.setTimeout(1_500, () => socket.destroy());
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      const answers = received.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => answer !== "");
      resolve(
        answers.map((answer) => ({ status: Number(answer.slice(9, 12)), body: answer.split("\r\n\r\n")[1] ?? "" })),
      );
    });
  });
}

const CREDENTIALS = "GET /api/credentials HTTP/1.1\r\nHost: localhost\r\n";
const end = "Connection: close\r\n\r\n";
const authorization = (token: string) => `Authorization: Bearer ${token}\r\n`;

async function statusesOf(text: string): Promise<number[]> {
  return (await exchange(text)).map(({ status }) => status);
}

describe("headers", () => {
  it("are asked of the right way", async () => {
    expect(await statusesOf(`${CREDENTIALS}${authorization(host.adminToken)}${end}`)).toEqual([200]);
    expect(await statusesOf(`${CREDENTIALS}${authorization(worker.token)}${end}`)).toEqual([403]);
    expect(await statusesOf(`${CREDENTIALS}${end}`)).toEqual([401]);
  });

  it("that are there twice let nobody in, in either order", async () => {
    const [good, weak] = [authorization(host.adminToken), authorization(worker.token)];
    for (const pair of [good + weak, weak + good, good + good, `${good}Authorization: Basic YTpi\r\n`]) {
      expect(await statusesOf(`${CREDENTIALS}${pair}${end}`)).toEqual([400]);
    }
    expect(
      await statusesOf(`${CREDENTIALS}Authorization: Bearer ${worker.token}, Bearer ${host.adminToken}\r\n${end}`),
    ).toEqual([400]);
  });

  it("that are folded, spaced or odd let nobody in", async () => {
    const odd = [
      `Authorization:\r\n Bearer ${host.adminToken}\r\n`,
      `Authorization : Bearer ${host.adminToken}\r\n`,
      ` Authorization: Bearer ${host.adminToken}\r\n`,
      `Authorization\0: Bearer ${host.adminToken}\r\n`,
      `Authorization: Bearer\t${host.adminToken}\r\n`,
      `Authorization: Bearer ${host.adminToken}\0\r\n`,
      `X-Authorization: Bearer ${host.adminToken}\r\n`,
      `Authorization_: Bearer ${host.adminToken}\r\n`,
      `Proxy-Authorization: Bearer ${host.adminToken}\r\n`,
      `X-Original-Authorization: Bearer ${host.adminToken}\r\n`,
    ];
    for (const header of odd) {
      const statuses = await statusesOf(`${CREDENTIALS}${header}${end}`);
      expect([header, statuses.length === 1 && [400, 401].includes(statuses[0] ?? 0)]).toEqual([header, true]);
    }
  });

  it("that name somebody name nobody", async () => {
    const claims = [
      "X-Agent-Id: admin\r\n",
      "X-MS-CLIENT-PRINCIPAL-ID: admin\r\nX-MS-CLIENT-PRINCIPAL-IDP: aad\r\n",
      `X-MS-CLIENT-PRINCIPAL: ${Buffer.from('{"claims":[{"typ":"roles","val":"Agent.Admin"}]}').toString("base64")}\r\n`,
      `X-MS-TOKEN-AAD-ACCESS-TOKEN: ${host.adminToken}\r\n`,
      `x-functions-key: ${host.adminToken}\r\n`,
      `Cookie: token=${host.adminToken}; AppServiceAuthSession=${host.adminToken}\r\n`,
      "X-Forwarded-For: 127.0.0.1\r\nX-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n",
      'X-SSL-Client-Verify: SUCCESS\r\nX-Forwarded-Client-Cert: Subject="CN=admin"\r\n',
      "X-HTTP-Method-Override: GET\r\nX-Original-URL: /api/health/live\r\nX-Rewrite-URL: /api/health/live\r\n",
    ];
    for (const claim of claims) {
      expect([claim, await statusesOf(`${CREDENTIALS}${claim}${end}`)]).toEqual([claim, [401]]);
      // X-Agent-Id must be the token's; the rest is nothing.
      expect([claim, await statusesOf(`${CREDENTIALS}${authorization(worker.token)}${claim}${end}`)]).toEqual([
        claim,
        [403],
      ]);
    }
    for (const certificate of ["AAAA", "AAAA, AAAA", ""]) {
      const forged = `X-ARR-ClientCert: ${certificate}\r\n`;
      expect(await statusesOf(`${CREDENTIALS}${authorization(host.adminToken)}${forged}${end}`)).toEqual([400]);
    }
    const twice = "X-Agent-Id: worker\r\nX-Agent-Id: victim\r\n";
    const heartbeat = (id: string) =>
      `POST /api/agents/${id}/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n`;
    for (const id of ["worker", "victim"]) {
      expect(await statusesOf(`${heartbeat(id)}${authorization(worker.token)}${twice}${end}`)).toEqual([400]);
    }
  });
});

describe("bodies", () => {
  it("whose length is said in two ways are refused, and nothing behind them is taken for a request", async () => {
    const hidden = `${CREDENTIALS}${authorization(host.adminToken)}\r\n`;
    const heads = [
      `Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\nContent-Length: ${hidden.length}\r\n\r\n0\r\n\r\n${hidden}`,
      `Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}${hidden}`,
      `Content-Length: 2, 2\r\n\r\n{}${hidden}`,
      `Content-Length: +2\r\n\r\n{}${hidden}`,
      `Content-Length: 0x2\r\n\r\n{}${hidden}`,
      `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n${hidden}`,
      `Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n${hidden}`,
    ];
    for (const head of heads) {
      const start =
        "POST /api/agents/worker/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
      const answers = await exchange(`${start}${authorization(worker.token)}${head}`);
      expect([head, answers.map(({ status }) => status)]).toEqual([head, [400]]);
    }
  });

  it("of a refused request are no next request", async () => {
    const hidden = `${CREDENTIALS}${authorization(host.adminToken)}\r\n`;
    const start = `POST /api/agents/victim/heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
    for (const credential of ["", authorization(worker.token)]) {
      const answers = await statusesOf(`${start}${credential}Content-Length: ${hidden.length}\r\n\r\n${hidden}`);
      // With a credential the body is read, and is no JSON.
      expect(answers).toEqual([credential === "" ? 401 : 400]);
    }
  });

  it("one after the other on a connection each need their own credential", async () => {
    const first = `${CREDENTIALS}${authorization(host.adminToken)}\r\n`;
    expect(await statusesOf(`${first}${CREDENTIALS}\r\n${CREDENTIALS}${authorization(worker.token)}${end}`)).toEqual([
      200, 401, 403,
    ]);
  });
});

describe("paths", () => {
  it("lead to a guarded route only as what they are", async () => {
    const paths = [
      "/api/credentials",
      "/api/credentials/",
      "/API/CREDENTIALS",
      "/api/%63redentials",
      "/api//credentials",
      "//api/credentials",
      "/api/./credentials",
      "/api/health/../credentials",
      "/api/health/live/../../credentials",
      "/api/health%2f..%2fcredentials",
      "/api/health/..;/credentials",
      "/api/credentials;x=/health/live",
      "/api/credentials%00",
      "/api/credentials?/health/live",
      "/api/credentials#/health/live",
      "/api/openapi.json/../credentials",
      "http://localhost/api/credentials",
      "http://localhost/api/health/../credentials",
      "\\api\\credentials",
      "*",
      "/",
      "/admin/host/status",
    ];
    for (const path of paths) {
      for (const credential of ["", authorization(worker.token)]) {
        const answers = await exchange(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${credential}${end}`);
        const shown = answers.filter(({ status, body }) => status < 400 || body.includes("credentialId"));
        expect([path, answers.length, shown]).toEqual([path, 1, []]);
      }
    }
  });

  it("of other methods do nothing", async () => {
    for (const method of ["HEAD", "OPTIONS", "TRACE", "PATCH", "CONNECT", "PROPFIND", "get", "GETX"]) {
      const statuses = await statusesOf(`${method} /api/credentials HTTP/1.1\r\nHost: localhost\r\n${end}`);
      expect([method, statuses.filter((status) => status < 400)]).toEqual([method, []]);
    }
  });
});

describe("afterwards", () => {
  it("the process serves on, and has printed nothing but which source showed wrong credentials", async () => {
    expect((await host.admin.health()).status).toBe("healthy");
    const [first, ...lines] = host.output().trim().split("\n");
    expect(first).toContain("listens on");
    expect(lines.length).toBeLessThan(5);
    for (const line of lines) {
      const { level, event, code, source, ...rest } = JSON.parse(line);
      expect([level, event, source]).toEqual(["info", "credential refused", "127.0.0.1"]);
      expect(["UNAUTHENTICATED", "FORBIDDEN", "RATE_LIMITED", "INVALID_REQUEST"]).toContain(code);
      expect(Object.keys(rest).filter((name) => name !== "credentialId")).toEqual([]);
    }
  });
});
