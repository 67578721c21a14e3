import { agentsContract } from "./agents.ts";
import { claimsContract } from "./claims.ts";
import { deadLettersContract } from "./dead-letters.ts";
import { deliverableContract } from "./deliverable.ts";
import { heartbeatsContract } from "./heartbeats.ts";
import { messageTypesContract } from "./message-types.ts";
import { orderingContract } from "./ordering.ts";
import { prioritiesContract } from "./priorities.ts";
import { sendingContract } from "./sending.ts";
import { settlementsContract } from "./settlements.ts";
import { openSqliteUnderTest } from "./sqlite-under-test.ts";

const contracts = [
  agentsContract,
  heartbeatsContract,
  sendingContract,
  claimsContract,
  settlementsContract,
  prioritiesContract,
  orderingContract,
  deadLettersContract,
  messageTypesContract,
  deliverableContract,
];

for (const contract of contracts) contract(openSqliteUnderTest);
