import { agentsContract } from "./agents/agents.ts";
import { freedNamesContract } from "./agents/freed-names.ts";
import { heartbeatsContract } from "./agents/heartbeats.ts";
import { ownTimeoutsContract } from "./agents/own-timeouts.ts";
import { broadcastsContract } from "./channels/broadcasts.ts";
import { channelsContract } from "./channels/channels.ts";
import { workQueuesContract } from "./channels/work-queues.ts";
import { claimsContract } from "./messages/claims.ts";
import { deadLettersContract } from "./messages/dead-letters.ts";
import { delayedKeysContract } from "./messages/delayed-keys.ts";
import { deliverableContract } from "./messages/deliverable.ts";
import { expiryContract } from "./messages/expiry.ts";
import { mailboxSharesContract } from "./messages/mailbox-shares.ts";
import { messageTypesContract } from "./messages/message-types.ts";
import { orderingContract } from "./messages/ordering.ts";
import { prioritiesContract } from "./messages/priorities.ts";
import { sendersContract } from "./messages/senders.ts";
import { sendingContract } from "./messages/sending.ts";
import { settlementsContract } from "./messages/settlements.ts";
import { withdrawalsContract } from "./messages/withdrawals.ts";
import { refusalOrdersContract } from "./refusal-orders.ts";
import { auditContract } from "./security/audit.ts";
import { auditBlocksContract } from "./security/audit-blocks.ts";
import { auditedChangesContract } from "./security/audited-changes.ts";
import { credentialRenewalContract } from "./security/credential-renewal.ts";
import { credentialsContract } from "./security/credentials.ts";
import { encryptionContract } from "./security/encryption.ts";
import { firstAdminContract } from "./security/first-admin.ts";
import { registrationAuthorityContract } from "./security/registration-authority.ts";
import { waitingValuesContract } from "./security/waiting-values.ts";
import { assignmentContract } from "./tasks/assignment.ts";
import { assignmentMessagesContract } from "./tasks/assignment-messages.ts";
import { cancellationContract } from "./tasks/cancellation.ts";
import { capabilitySetsContract } from "./tasks/capability-sets.ts";
import { childrenContract } from "./tasks/children.ts";
import { conditionsContract } from "./tasks/conditions.ts";
import { dependenciesContract } from "./tasks/dependencies.ts";
import { dependencyResultsContract } from "./tasks/dependency-results.ts";
import { handoutsContract } from "./tasks/handouts.ts";
import { questionsContract } from "./tasks/questions.ts";
import { releasesContract } from "./tasks/releases.ts";
import { requestsContract } from "./tasks/requests.ts";
import { retriesContract } from "./tasks/retries.ts";
import { schedulesContract } from "./tasks/schedules.ts";
import { startTimeoutsContract } from "./tasks/start-timeouts.ts";
import { suspensionsContract } from "./tasks/suspensions.ts";
import { tasksContract } from "./tasks/tasks.ts";
import { usageContract } from "./tasks/usage.ts";
import { versionsContract } from "./tasks/versions.ts";
import { workflowGraphsContract } from "./tasks/workflow-properties.ts";
import { workflowRetriesContract } from "./tasks/workflow-retries.ts";
import { workflowsContract } from "./tasks/workflows.ts";
import { clockStepsContract } from "./upkeep/clock-steps.ts";
import { dueTasksContract } from "./upkeep/due-tasks.ts";
import { jsonTextContract } from "./upkeep/json-text.ts";
import { maintenanceContract } from "./upkeep/maintenance.ts";
import { pagingContract } from "./upkeep/paging.ts";
import { replyBytesContract } from "./upkeep/reply-bytes.ts";
import { statisticsContract } from "./upkeep/statistics.ts";
import { tracesContract } from "./upkeep/traces.ts";

/** Every suite of the store contract; every store runs them all. */
export const contracts = [
  agentsContract,
  credentialsContract,
  credentialRenewalContract,
  registrationAuthorityContract,
  refusalOrdersContract,
  firstAdminContract,
  heartbeatsContract,
  ownTimeoutsContract,
  sendingContract,
  sendersContract,
  jsonTextContract,
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
  versionsContract,
  assignmentContract,
  handoutsContract,
  releasesContract,
  startTimeoutsContract,
  capabilitySetsContract,
  assignmentMessagesContract,
  expiryContract,
  freedNamesContract,
  conditionsContract,
  workflowsContract,
  childrenContract,
  schedulesContract,
  workflowGraphsContract,
  dependenciesContract,
  dependencyResultsContract,
  retriesContract,
  workflowRetriesContract,
  suspensionsContract,
  usageContract,
  questionsContract,
  cancellationContract,
  auditContract,
  auditBlocksContract,
  auditedChangesContract,
  dueTasksContract,
  statisticsContract,
  clockStepsContract,
  maintenanceContract,
  pagingContract,
  replyBytesContract,
  encryptionContract,
  waitingValuesContract,
  tracesContract,
];
