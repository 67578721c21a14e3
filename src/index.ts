/**
 * agent-communication, for embedding in one process without HTTP. Agents in processes of their own import
 * `agent-communication/client`.
 *
 * @example
 * const store = await openStore(readConfig({ AGENT_MOCK_DATABASE: "agents.db" }));
 * const services = createServices({ config, clock: systemClock, store });
 * await services.registry.register({ agentId: "lead", role: "supervisor" });
 */
export * from "./lib/agents/agent.ts";
export { AgentRegistry, type Applicant } from "./lib/agents/agent-registry.ts";
export * from "./lib/channels/channel.ts";
export { ChannelPolicy } from "./lib/channels/channel-policy.ts";
export { ChannelRegistry } from "./lib/channels/channel-registry.ts";
export { type Clock, OffsetClock, systemClock } from "./lib/clock.ts";
export { type Config, ConfigError, readConfig, storeSettings } from "./lib/config.ts";
export * from "./lib/errors.ts";
export type { SendOptions } from "./lib/idempotency.ts";
export type { JsonValue } from "./lib/json.ts";
export { DeadLetterOffice } from "./lib/messages/dead-letter-office.ts";
export * from "./lib/messages/message.ts";
export { MessageQueueManager } from "./lib/messages/message-queue-manager.ts";
export * from "./lib/messages/message-type.ts";
export { MessageTypeRegistry } from "./lib/messages/message-type-registry.ts";
export * from "./lib/security/credential.ts";
export {
  type BoundPrincipal,
  CredentialRegistry,
  type VerifiedAgent,
  type VerifiedEnrolmentKey,
} from "./lib/security/credential-registry.ts";
export { createServices, type Services } from "./lib/services.ts";
export * from "./lib/statistics/statistics.ts";
export { SystemMonitor } from "./lib/statistics/system-monitor.ts";
export { openStore } from "./lib/store/open-store.ts";
export type { Store, StoreSettings } from "./lib/store/store.ts";
export { SupervisorCoordinator } from "./lib/tasks/supervisor-coordinator.ts";
export * from "./lib/tasks/task.ts";
export { PRIORITIES, type Priority, prioritySchema } from "./lib/values.ts";
