import { type AgentChanged, AgentRegistry } from "./agents/agent-registry.ts";
import { ChannelPolicy } from "./channels/channel-policy.ts";
import { ChannelRegistry } from "./channels/channel-registry.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import { openGate } from "./http/caller-guard.ts";
import { type Log, lineLog } from "./log.ts";
import { DeadLetterOffice } from "./messages/dead-letter-office.ts";
import { MessageQueueManager } from "./messages/message-queue-manager.ts";
import { MessageTypeRegistry } from "./messages/message-type-registry.ts";
import { PayloadSchemas } from "./messages/payload-schemas.ts";
import { AuditTrail } from "./security/audit-trail.ts";
import { ContentEncryption } from "./security/content-encryption.ts";
import { countingGate } from "./security/counting-gate.ts";
import { CredentialRegistry } from "./security/credential-registry.ts";
import type { Gate } from "./security/gate.ts";
import { KeyRotation } from "./security/key-rotation.ts";
import { openKeys } from "./security/open-keys.ts";
import { RefusalCounter } from "./security/refusal-counter.ts";
import { RequiredGate } from "./security/required-gate.ts";
import { SystemMonitor } from "./statistics/system-monitor.ts";
import type { Store } from "./store/store.ts";
import { SupervisorCoordinator } from "./tasks/supervisor-coordinator.ts";
import { observedStore } from "./telemetry/observed-store.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import { Turns } from "./turns.ts";

/** Everything a handler may use, made once per process. */
export interface Services {
  config: Config;
  clock: Clock;
  store: Store;
  gate: Gate;
  /** In which order long bodies are read. */
  turns: Turns;
  registry: AgentRegistry;
  credentials: CredentialRegistry;
  messages: MessageQueueManager;
  channels: ChannelRegistry;
  deadLetters: DeadLetterOffice;
  messageTypes: MessageTypeRegistry;
  coordinator: SupervisorCoordinator;
  keyRotation: KeyRotation;
  monitor: SystemMonitor;
  audit: AuditTrail;
  /** To be closed before the store. */
  refusals: RefusalCounter;
  /** Undefined when none is configured. */
  telemetry: Telemetry | undefined;
}

/** What the services are made of. */
export interface ServiceParts {
  config: Config;
  clock: Clock;
  store: Store;
  telemetry?: Telemetry | undefined;
  /** For what nobody who calls is told. */
  log?: Log | undefined;
}

/** Where nobody reads one. */
const NO_LOG: Log = lineLog(() => undefined);

/** The composition root: the domain over one store. */
export function createServices({ config, clock, store: plain, telemetry, log = NO_LOG }: ServiceParts): Services {
  const system = config.sql === undefined ? "sqlite" : "microsoft.sql_server";
  const store = telemetry === undefined ? plain : observedStore(plain, telemetry, system);
  const { security } = config;
  const schemas = new PayloadSchemas();
  const policy = new ChannelPolicy({ store, clock, policy: config.channelPolicy });
  const keys = openKeys(config.encryption, clock, log);
  const encryption = new ContentEncryption({ keys, all: config.encryption.all });
  const keyRotation = new KeyRotation({ store, keys, clock });
  const refusals = new RefusalCounter({ store, clock });
  const credentials = new CredentialRegistry({ store });
  const gate =
    security.authMode === "none"
      ? countingGate(openGate, refusals)
      : new RequiredGate({ security, clock, store, credentials, log, refusals });
  /** What was known of an agent's rights counts no more after a change of it. */
  const agentChanged: AgentChanged = (agentId, now) => {
    credentials.agentChanged(agentId, now);
    gate.agentChanged?.(agentId);
    policy.agentChanged(agentId);
  };
  const rightsChanged = () => {
    credentials.forgetAll();
    policy.forget();
  };
  const monitor = new SystemMonitor({ store, clock, keyRotation, rightsChanged });
  telemetry?.watch(() => monitor.metrics());
  return {
    config,
    clock,
    store,
    telemetry,
    gate,
    turns: new Turns(),
    registry: new AgentRegistry({ store, heartbeatIntervalSeconds: config.heartbeatIntervalSeconds, agentChanged }),
    credentials,
    messages: new MessageQueueManager({ store, clock, encryption, schemas, policy }),
    channels: new ChannelRegistry({ store, policy }),
    deadLetters: new DeadLetterOffice({ store, encryption }),
    messageTypes: new MessageTypeRegistry({ store, schemas }),
    coordinator: new SupervisorCoordinator({
      store,
      encryption,
      defaultTimeoutSeconds: config.defaultTimeoutSeconds,
      maxRetries: config.maxRetries,
    }),
    keyRotation,
    monitor,
    audit: new AuditTrail({ store, retentionDays: config.auditRetentionDays }),
    refusals,
  };
}
