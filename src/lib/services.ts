import type { AgentRegistry } from "./agents/agent-registry.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import type { MessageQueueManager } from "./messages/message-queue-manager.ts";
import type { Store } from "./store/store.ts";
import type { SupervisorCoordinator } from "./tasks/supervisor-coordinator.ts";

/** Everything a handler may use, made once per process. */
export interface Services {
  config: Config;
  clock: Clock;
  store: Store;
  registry: AgentRegistry;
  messages: MessageQueueManager;
  coordinator: SupervisorCoordinator;
}
