import { agentsContract } from "./agents.ts";
import { assignmentContract } from "./assignment.ts";
import { assignmentMessagesContract } from "./assignment-messages.ts";
import { auditContract } from "./audit.ts";
import { auditBlocksContract } from "./audit-blocks.ts";
import { auditedChangesContract } from "./audited-changes.ts";
import { broadcastsContract } from "./broadcasts.ts";
import { cancellationContract } from "./cancellation.ts";
import { capabilitySetsContract } from "./capability-sets.ts";
import { channelsContract } from "./channels.ts";
import { claimsContract } from "./claims.ts";
import { clockStepsContract } from "./clock-steps.ts";
import { credentialRenewalContract } from "./credential-renewal.ts";
import { credentialsContract } from "./credentials.ts";
import { deadLettersContract } from "./dead-letters.ts";
import { delayedKeysContract } from "./delayed-keys.ts";
import { deliverableContract } from "./deliverable.ts";
import { dependenciesContract } from "./dependencies.ts";
import { encryptionContract } from "./encryption.ts";
import { expiryContract } from "./expiry.ts";
import { firstAdminContract } from "./first-admin.ts";
import { freedNamesContract } from "./freed-names.ts";
import { handoutsContract } from "./handouts.ts";
import { heartbeatsContract } from "./heartbeats.ts";
import { mailboxSharesContract } from "./mailbox-shares.ts";
import { maintenanceContract } from "./maintenance.ts";
import { messageTypesContract } from "./message-types.ts";
import { orderingContract } from "./ordering.ts";
import { pagingContract } from "./paging.ts";
import { prioritiesContract } from "./priorities.ts";
import { refusalOrdersContract } from "./refusal-orders.ts";
import { registrationAuthorityContract } from "./registration-authority.ts";
import { releasesContract } from "./releases.ts";
import { replyBytesContract } from "./reply-bytes.ts";
import { requestsContract } from "./requests.ts";
import { sendersContract } from "./senders.ts";
import { sendingContract } from "./sending.ts";
import { settlementsContract } from "./settlements.ts";
import { statisticsContract } from "./statistics.ts";
import { tasksContract } from "./tasks.ts";
import { tracesContract } from "./traces.ts";
import { withdrawalsContract } from "./withdrawals.ts";
import { workQueuesContract } from "./work-queues.ts";

/** Every suite of the store contract; every store runs them all. */
export const contracts = [
  agentsContract,
  credentialsContract,
  credentialRenewalContract,
  registrationAuthorityContract,
  refusalOrdersContract,
  firstAdminContract,
  heartbeatsContract,
  sendingContract,
  sendersContract,
  claimsContract,
  settlementsContract,
  prioritiesContract,
  orderingContract,
  delayedKeysContract,
  mailboxSharesContract,
  withdrawalsContract,
  deadLettersContract,
  messageTypesContract,
  deliverableContract,
  channelsContract,
  broadcastsContract,
  workQueuesContract,
  requestsContract,
  tasksContract,
  assignmentContract,
  handoutsContract,
  releasesContract,
  capabilitySetsContract,
  assignmentMessagesContract,
  expiryContract,
  freedNamesContract,
  dependenciesContract,
  cancellationContract,
  auditContract,
  auditBlocksContract,
  auditedChangesContract,
  statisticsContract,
  clockStepsContract,
  maintenanceContract,
  pagingContract,
  replyBytesContract,
  encryptionContract,
  tracesContract,
];
