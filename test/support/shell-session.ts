import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { childOfTest } from "./child-of-test.ts";
import { until } from "./poll.ts";

/** A shell into which a reader pastes the blocks of a page, one after the other. */

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Printed behind each block, with its exit code. */
const END = /<end of block (\d+)>\n$/;
const BLOCK_MILLISECONDS = 180_000;

export interface ShellSession {
  /** Runs a block to its end. @returns what it printed on standard output. @throws Error with all output when it fails or hangs */
  run(block: string): Promise<string>;
  /** Ends the shell and all that it has started. */
  end(): void;
}

export function openShell(cwd: string, environment: Readonly<Record<string, string>>): ShellSession {
  // A process group of its own: what the blocks start in the background ends with it.
  const shell = childOfTest(
    spawn("bash", ["--noprofile", "--norc"], {
      cwd,
      env: { ...process.env, ...environment },
      stdio: ["pipe", "pipe", "pipe"],
      detached: true,
    }),
  );
  let printed = "";
  let errors = "";
  shell.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  shell.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  return {
    async run(block) {
      printed = "";
      shell.stdin.write(`${block}\necho "<end of block $?>"\n`);
      const ended = () =>
        END.exec(printed) ?? (shell.exitCode === null ? undefined : (["", "the shell ended"] as const));
      const [, code] = await until(`the end of\n${block}`, ended, BLOCK_MILLISECONDS).catch((error: unknown) => {
        throw new Error(`${error}\n${printed}\n${errors}`);
      });
      if (code !== "0") throw new Error(`${block}\nended with ${code}:\n${printed}\n${errors}`);
      return printed.replace(END, "");
    },
    end() {
      if (shell.pid === undefined) return;
      try {
        process.kill(-shell.pid, "SIGKILL");
      } catch {
        // All of them have ended.
      }
    },
  };
}

export { ROOT as REPOSITORY };
