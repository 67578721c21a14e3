import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy in front of the service that can lose answers: the request arrives and is done, the caller never hears. */
export interface CuttingProxy {
  baseUrl: string;
  /** Loses the next `answers` answers, after `bytes` bytes of each. */
  cut(answers: number, bytes?: number): void;
  /** How many answers have been lost. */
  lost(): number;
  close(): Promise<void>;
}

export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  let toCut = 0;
  let keepBytes = 0;
  let lost = 0;
  const sockets = new Set<Socket>();
  const server = createServer((caller) => {
    const service = connect(targetPort, "127.0.0.1");
    for (const socket of [caller, service]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
    }
    caller.on("data", (chunk) => service.write(chunk));
    caller.on("close", () => service.destroy());
    service.on("close", () => caller.destroy());
    service.on("data", (chunk) => {
      if (toCut === 0) {
        caller.write(chunk);
        return;
      }
      toCut--;
      lost++;
      // The service has answered, so whatever was asked is done and durable.
      caller.write(chunk.subarray(0, keepBytes), () => caller.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`,
    cut: (answers, bytes = 0) => {
      toCut = answers;
      keepBytes = bytes;
    },
    lost: () => lost,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
