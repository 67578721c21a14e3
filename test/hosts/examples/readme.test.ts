import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { openShell, REPOSITORY, type ShellSession } from "../../support/shell-session.ts";

/** What the examples need of the repository, in a folder where they may write. */
const NEEDED = ["src", "examples", "node_modules", "package.json"];
const MINUTES = 60_000;

interface Block {
  heading: string;
  commands: string;
  /** What the page says it prints. */
  output: string;
}

/** The blocks of commands of a page, each with the block behind it that shows what they print. */
function blocksOf(markdown: string): Block[] {
  const headings = [...markdown.matchAll(/^#+ (.*)$/gm)];
  return [...markdown.matchAll(/```sh\n([\s\S]*?)```\n(?:\n```\n([\s\S]*?)```\n)?/g)].map((found) => {
    const [, commands = "", output = ""] = found;
    const heading = headings.filter((one) => one.index < found.index).at(-1)?.[1] ?? "";
    return { heading, commands, output };
  });
}

/** Without what differs each time: distances of times, and the widths of columns, which follow from them. */
function plain(text: string): string {
  return text
    .replaceAll(/\b(?:in \d+[a-z]+|\d+[a-z]+ ago|now)\b/g, "<time>")
    .replaceAll(/(?<=\S) {2,}/g, "  ")
    .replaceAll(/ +$/gm, "");
}

/** The output of the page as a pattern: `…` stands for anything in a line. */
function patternOf(output: string): RegExp {
  const escaped = plain(output).replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll("…", ".+")}$`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** The page as a reader uses it: every block is pasted into bash, in order. It kills the worker and the server on the way. */
describe("examples/README.md", () => {
  let folder: string;
  let shell: ShellSession;
  let blocks: Block[];

  beforeAll(async () => {
    blocks = blocksOf(await readFile(join(REPOSITORY, "examples/README.md"), "utf8"));
    folder = await mkdtemp(join(tmpdir(), "agent-communication-readme-"));
    for (const name of NEEDED) await symlink(join(REPOSITORY, name), join(folder, name));
    const port = await freePort();
    shell = openShell(folder, {
      AGENT_HTTP_PORT: String(port),
      AGENT_COMMUNICATION_URL: `http://127.0.0.1:${port}/api`,
    });
  });
  afterAll(async () => {
    shell?.end();
    await rm(folder, { recursive: true, force: true });
  });

  it(
    "every command does and prints what the page says, with the worker and the server killed",
    async () => {
      expect(blocks.map(({ heading }) => heading)).toEqual(expect.arrayContaining(["Answer", "Say no", "Each night"]));
      for (const { commands, output } of blocks) {
        expect(plain(await shell.run(commands))).toMatch(patternOf(output));
      }
      const page = blocks.map(({ commands }) => commands).join("");
      expect([page.match(/kill -9 \$worker/g), page.match(/kill -9 \$server/g)]).toEqual([
        ["kill -9 $worker"],
        ["kill -9 $server"],
      ]);
      const published = await readFile(join(folder, "out/report/published/conference.md"), "utf8");
      expect(published).toMatch(/^# Report on conference\n\n6 files, 150 words, 3 problems\n/);
      const [first, second] = await Promise.all(
        ["worker.log", "worker-2.log"].map((log) => readFile(join(folder, "out/report", log), "utf8")),
      );
      // What the first worker had in its hands when it died, the second one has done.
      expect(first).not.toContain("draft");
      expect(second).toContain("draft out/report/drafts/conference.md");
    },
    8 * MINUTES,
  );

  it("the nightly workflow is that of the example, but for the time of its question", async () => {
    const [byHand, nightly] = await Promise.all(
      ["report.yaml", "nightly.yaml"].map(async (file) =>
        parse(await readFile(join(REPOSITORY, "examples/report", file), "utf8")),
      ),
    );
    const { tasks } = nightly.workflow;
    for (const { question } of tasks) {
      delete question?.timeoutSeconds;
      delete question?.defaultAnswer;
    }
    expect(tasks).toEqual(byHand.tasks);
  });
});
