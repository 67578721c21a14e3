import { Agent, setGlobalDispatcher } from "undici";
import type { Attacker, Target } from "./attack.ts";
import { KINDS } from "./kinds.ts";

/** The hostile callers, in a process of their own: `node attackers.ts <target> <attackers as JSON> <seconds>`. */

const target: Target = JSON.parse(process.argv[2] ?? "");
const attackers: (Attacker & { kind: string })[] = JSON.parse(process.argv[3] ?? "");
const seconds = Number(process.argv[4]);

setGlobalDispatcher(new Agent({ connections: 1_000, headersTimeout: 60_000 }));
const signal = AbortSignal.timeout(seconds * 1_000);
console.log("attacking");
await Promise.race([
  Promise.all(attackers.map((attacker) => KINDS[attacker.kind]?.(target, attacker, signal))),
  new Promise((resolve) => signal.addEventListener("abort", () => setTimeout(resolve, 1_000))),
]);
process.exit(0);
