import { AgentClient, PermanentError, Worker } from "../../../src/client/index.ts";

/** A worker process whose user code does everything that might end it: node hostile-worker.ts <url> <agentId> */
const [baseUrl = "", agentId = ""] = process.argv.slice(2);

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
const THEN = "then";
const circular: { self?: unknown } = {};
circular.self = circular;

const thrown: Record<string, () => unknown> = {
  null: () => null,
  undefined: () => undefined,
  symbol: () => Symbol("odd"),
  function: () => () => undefined,
  empty: () => "",
  "no-prototype": () => Object.create(null),
  revoked,
  "message-object": () => Object.assign(new Error("x"), { message: { code: 5 } }),
  "message-symbol": () => Object.assign(new Error("x"), { message: Symbol("m") }),
  "message-getter": () => Object.defineProperty(new Error("x"), "message", { get: () => revoked() && JSON.parse("{") }),
  "to-string": () => ({ toString: () => JSON.parse("{") }),
  huge: () => new Error("\u20ac".repeat(1_000_000)),
  surrogates: () => new Error("\ud800 half"),
  permanent: () => new PermanentError("for good"),
};
const returned: Record<string, () => unknown> = {
  circular: () => circular,
  bigint: () => 1n,
  "not-a-number": () => ({ mean: [0 / Number("0")] }),
  "function-result": () => () => undefined,
  "to-json": () => ({ toJSON: () => JSON.parse("{") }),
  "large-result": () => "x".repeat(300_000),
  "huge-result": () => "x".repeat(8_000_000),
  "then-getter": () => Object.defineProperty({}, THEN, { get: () => JSON.parse("{") }),
};

function misbehave(name: string, signal: AbortSignal): unknown {
  signal.addEventListener("abort", () => JSON.parse("{"));
  signal.addEventListener("abort", { handleEvent: () => Promise.reject(new Error("listener")) });
  signal.onabort = () => JSON.parse("{");
  if (name in thrown) throw thrown[name]?.();
  return returned[name]?.();
}

const worker = new Worker({
  client: new AgentClient({ baseUrl }),
  agentId,
  capabilities: [agentId],
  maxConcurrentTasks: 4,
  handle: (task, { signal, extend, progress }) => {
    // Given nonsense, and not waited for.
    void extend(-1);
    void progress(Number.NaN, Symbol("note") as never);
    void progress("x" as never);
    Object.assign(task, { taskId: "changed", attempt: 99 });
    if (task.taskType === "wait") {
      misbehave("", signal);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve("woken")));
    }
    return misbehave(task.taskType, signal);
  },
  onMessage: (message, { signal }) => {
    Object.assign(message, { messageId: "changed" });
    return misbehave(String(message.payload), signal);
  },
  onEvent: (event) => {
    if (event.type === "log") return Promise.reject(revoked());
    if (event.type === "draining") void worker.stop();
    throw revoked();
  },
});
await worker.start();
process.once("SIGTERM", () => void worker.stop({ graceMilliseconds: 100 }).then(() => process.exit(7)));
