import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { routes } from "../src/functions/route-table.ts";
import { ANYONE } from "../src/lib/gates/access.ts";
import type { Route } from "../src/lib/http/route.ts";
import { AGENT_ROLES, type AgentRole } from "../src/lib/model/agent.ts";

/** docs/access.md: who may do what, generated from the route table. `npm run docs:access` writes it; a test compares. */

export const ACCESS_PAGE = new URL("../docs/access.md", import.meta.url);

const ROLES: readonly AgentRole[] = ["worker", "supervisor", "observer", "admin"];

const INTRODUCTION = `# Who may do what

Generated from the route table by \`npm run docs:access\`; a test compares the two, and another walks every route with every
role. What is not in the table is refused. In authentication mode \`none\` no credential is required, and everything is allowed.

- **any**: everything that the request names.
- **own**: only what the last column says is the caller's. Messages and tasks of others read as if they did not exist.
- **without contents**: everything, but payloads, parameters, descriptions, results, errors, notes, reasons and metadata are
  withheld (\`null\`, empty or absent).
- **–**: \`403 FORBIDDEN\`.

Without a credential, or with one that is not valid, everything but the routes for *anyone* is \`401 UNAUTHENTICATED\`. An enrolment key may do
one thing: register a new agent.
`;

function row(route: Route): string {
  const { allow } = route;
  if (allow === ANYONE) return `| \`${route.key}\` | anyone | anyone | anyone | anyone | |`;
  const reaches = ROLES.map((role) => allow.roles[role] ?? "–");
  const own = [allow.own?.says ?? "", allow.enrolment ? "an enrolment key registers new ids only" : ""];
  return `| \`${route.key}\` | ${reaches.join(" | ")} | ${own.filter((text) => text !== "").join("; ")} |`;
}

/** The whole page. */
export function accessPage(table: readonly Route[]): string {
  const head = `| route | ${ROLES.join(" | ")} | own means |\n| --- | ${ROLES.map(() => "---").join(" | ")} | --- |`;
  return `${INTRODUCTION}\n${head}\n${table.map(row).join("\n")}\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(ACCESS_PAGE, accessPage(routes));

/** So that a role that is added later cannot be forgotten here. */
const missing = AGENT_ROLES.filter((role) => !ROLES.includes(role));
if (missing.length > 0) throw new Error(`the table lacks ${missing.join(", ")}`);
