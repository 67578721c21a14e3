import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createRequire } from "node:module";
import { LeanConnection } from "./lean-client.ts";

/** The peer of the HTTP figures: Azurite's queue, the emulator of Azure Queue storage. It does not wait for the disk. */

const ACCOUNT = "devstoreaccount1";
/** The emulator's published key, the same on every machine: https://learn.microsoft.com/azure/storage/common/storage-use-azurite */
const KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/** An account SAS for queues: the query that authorises a request without a signature of its own. */
function sharedAccessSignature(): string {
  const parts = {
    sp: "rwdlacup",
    ss: "q",
    srt: "sco",
    st: "",
    se: "2099-01-01T00:00:00Z",
    sip: "",
    spr: "https,http",
    sv: "2018-11-09",
  };
  const text = `${[ACCOUNT, ...Object.values(parts)].join("\n")}\n`;
  const sig = createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");
  const query = new URLSearchParams({ ...parts, sig });
  for (const name of ["st", "sip"]) query.delete(name);
  return query.toString();
}

export class AzuriteQueue {
  readonly #process: ChildProcess;
  readonly #port: number;
  readonly #sas = sharedAccessSignature();

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.#port = port;
  }

  static async start(folder: string, port: number): Promise<AzuriteQueue> {
    const script = createRequire(import.meta.url).resolve("azurite/dist/src/queue/main.js");
    const args = [
      script,
      "--queuePort",
      String(port),
      "--location",
      folder,
      "--silent",
      "--skipApiVersionCheck",
      "--disableTelemetry",
    ];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on("data", (text) => String(text).includes("successfully listens") && resolve());
      child.once("exit", () => reject(new Error("Azurite did not start")));
    });
    const azurite = new AzuriteQueue(child, port);
    const connection = azurite.connect();
    const made = await connection.request("PUT", `/${ACCOUNT}/bench?${azurite.#sas}`);
    connection.close();
    if (made.status !== 201) throw new Error(`Azurite refused the queue: ${made.status} ${made.body.slice(0, 200)}`);
    return azurite;
  }

  connect(): LeanConnection {
    return new LeanConnection("127.0.0.1", this.#port);
  }

  /** Put, get and delete of one message. */
  async cycle(connection: LeanConnection, text: string): Promise<void> {
    const queue = `/${ACCOUNT}/bench/messages`;
    const body = `<QueueMessage><MessageText>${text}</MessageText></QueueMessage>`;
    const put = await connection.request("POST", `${queue}?${this.#sas}`, body, "application/xml");
    if (put.status !== 201) throw new Error(`put: ${put.status}`);
    const got = await connection.request("GET", `${queue}?visibilitytimeout=60&${this.#sas}`);
    const id = /<MessageId>([^<]+)/.exec(got.body)?.[1];
    const receipt = /<PopReceipt>([^<]+)/.exec(got.body)?.[1];
    if (id === undefined || receipt === undefined) throw new Error(`get: ${got.status}`);
    const path = `${queue}/${id}?popreceipt=${encodeURIComponent(receipt)}&${this.#sas}`;
    const deleted = await connection.request("DELETE", path);
    if (deleted.status !== 204) throw new Error(`delete: ${deleted.status}`);
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await once(this.#process, "exit");
  }
}
