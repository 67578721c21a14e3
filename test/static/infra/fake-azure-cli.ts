import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/**
 * A program named `az` that stands before the real one: it writes down what it is asked and answers from a list, in turn for
 * questions that fit more than once. So the scripts run as they are, as processes, without Azure.
 */

export interface Answer {
  /** Words that the question contains. */
  to: string;
  /** What is printed; for several times the same question, one after the other, the last again and again. */
  print?: readonly string[];
  /** Exit code; 0 unless said. */
  code?: number;
}

const PROGRAM = `#!${process.execPath}
const { appendFileSync, readFileSync } = require("node:fs");
const [folder, args] = [__dirname, process.argv.slice(2).join(" ")];
const asked = (() => { try { return readFileSync(folder + "/asked", "utf8").split("\\n"); } catch { return []; } })();
appendFileSync(folder + "/asked", args + "\\n");
const answer = JSON.parse(readFileSync(folder + "/answers.json", "utf8")).find(({ to }) => args.includes(to));
const before = asked.filter((line) => answer !== undefined && line.includes(answer.to)).length;
const print = answer?.print ?? [];
if (print.length > 0) console.log(print[Math.min(before, print.length - 1)]);
if (answer?.code) console.error("refused: " + args);
process.exitCode = answer?.code ?? 0;
`;

export class FakeAzureCli {
  readonly #folder = mkdtempSync(join(tmpdir(), "agent-communication-az-"));

  constructor(answers: readonly Answer[]) {
    writeFileSync(join(this.#folder, "az"), PROGRAM);
    writeFileSync(join(this.#folder, "package.json"), '{"type":"commonjs"}');
    chmodSync(join(this.#folder, "az"), 0o755);
    writeFileSync(join(this.#folder, "answers.json"), JSON.stringify(answers));
  }

  /** What a script's environment needs. */
  get environment(): Record<string, string> {
    return { PATH: `${this.#folder}${delimiter}${process.env.PATH ?? ""}` };
  }

  /** Every question so far, its words in one line. */
  get asked(): string[] {
    const file = join(this.#folder, "asked");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true });
  }
}
