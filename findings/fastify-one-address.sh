#!/usr/bin/env bash
# Fastify 5.12.8: `listen({ host: "localhost" })` binds every address that localhost stands for, so that clients reach the server
# whether they try 127.0.0.1 or ::1 first; the table of its reference page has both. With the option `serverFactory` (which limits on
# connections, or certificates that are renewed, need) it binds the first address only and says nothing, and a client that tries the
# other one is refused. The page does not say so. Ours binds the others itself: src/local/every-address.ts.
#
# Seen: 2 addresses without serverFactory, 1 with a serverFactory that does nothing but createServer.
# The look-up of localhost is answered by the script itself (127.0.0.1 and 127.0.0.2), so that the machine's hosts file does not matter.
#
# Exits 0 while that is so, 1 when the behaviour has changed, 2 when it could not be tried.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund fastify@5.12.8 || exit 2
cat >try.mjs <<'SCRIPT'
import dns from "node:dns";
import { createServer } from "node:http";
import { fastify } from "fastify";

const { lookup } = dns;
dns.lookup = (name, options, callback) => {
  const done = callback ?? options;
  const both = [{ address: "127.0.0.1", family: 4 }, { address: "127.0.0.2", family: 4 }];
  if (name !== "localhost") return lookup(name, options, callback);
  return options.all ? done(null, both) : done(null, both[0].address, 4);
};

async function addresses(options) {
  const app = fastify(options);
  await app.listen({ host: "localhost", port: 0 });
  const count = app.addresses().length;
  await app.close();
  return count;
}

const alone = await addresses({});
const made = await addresses({ serverFactory: (handler) => createServer(handler) });
console.log(`addresses bound: ${alone} without serverFactory, ${made} with it`);
process.exit(alone === 2 && made === 1 ? 0 : 1);
SCRIPT
node try.mjs
