import type { Command } from "commander";
import type { Rotation } from "../lib/model/rotation.ts";
import type { Runner } from "./context.ts";
import { EXIT } from "./exit-codes.ts";
import { properties } from "./table.ts";

/** rotate-keys: encrypt stored values again, until none is left under an older version of the key. */
export function addKeyCommands(program: Command, runner: Runner): void {
  program
    .command("rotate-keys")
    .description("encrypt stored values again under the newest key version, without downtime")
    .option(
      "--new-version",
      "first create a new version in the service's key file (in a key vault, create it yourself)",
    )
    .action(({ newVersion = false }: { newVersion?: boolean }, command: Command) =>
      runner.run(command, async ({ client, print }) => {
        const total = { reencrypted: 0, undecryptable: 0 };
        let rotation: Rotation = await client.rotateKeys({ newVersion });
        for (;;) {
          total.reencrypted += rotation.reencrypted;
          total.undecryptable += rotation.undecryptable;
          if (rotation.nextCursor === null) break;
          rotation = await client.rotateKeys({ cursor: rotation.nextCursor });
        }
        const { keyVersion, left } = rotation;
        print({ keyVersion, ...total, left }, properties);
        // Somebody has to look at what cannot be decrypted.
        return total.undecryptable === 0 ? EXIT.OK : EXIT.REFUSED;
      }),
    );
}
