/**
 * agent-communication, for embedding in one process without HTTP. Agents in processes of their own import
 * `agent-communication/client`.
 *
 * @example
 * const store = await openStore(readConfig({ AGENT_MOCK_DATABASE: "agents.db" }));
 * const services = createServices({ config, clock: systemClock, store });
 * await services.registry.register({ agentId: "lead", role: "supervisor" });
 */

export type { SendOptions } from "./lib/base/idempotency.ts";
export { type Config, ConfigError, readConfig, storeSettings } from "./lib/config/config.ts";
export { AgentRegistry, type Applicant } from "./lib/domain/agents/agent-registry.ts";
export { ChannelPolicy } from "./lib/domain/channels/channel-policy.ts";
export { ChannelRegistry } from "./lib/domain/channels/channel-registry.ts";
export {
  type BoundPrincipal,
  CredentialRegistry,
  type VerifiedAgent,
  type VerifiedEnrolmentKey,
} from "./lib/domain/credentials/credential-registry.ts";
export { DeadLetterOffice } from "./lib/domain/messages/dead-letter-office.ts";
export { MessageQueueManager } from "./lib/domain/messages/message-queue-manager.ts";
export { MessageTypeRegistry } from "./lib/domain/messages/message-type-registry.ts";
export { SystemMonitor } from "./lib/domain/statistics/system-monitor.ts";
export { SupervisorCoordinator } from "./lib/domain/tasks/supervisor-coordinator.ts";
export * from "./lib/model/agent.ts";
export * from "./lib/model/channel.ts";
export { type Clock, OffsetClock, systemClock } from "./lib/model/clock.ts";
export * from "./lib/model/credential.ts";
export * from "./lib/model/errors.ts";
export type { JsonValue } from "./lib/model/json.ts";
export * from "./lib/model/message.ts";
export * from "./lib/model/message-type.ts";
export * from "./lib/model/statistics.ts";
export * from "./lib/model/task.ts";
export { PRIORITIES, type Priority, prioritySchema } from "./lib/model/values.ts";
export { createServices, type Services } from "./lib/services.ts";
export { openStore } from "./lib/store/open-store.ts";
export type { Store, StoreSettings } from "./lib/store/store.ts";
