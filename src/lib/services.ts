import { Turns } from "./base/turns.ts";
import type { Config } from "./config/config.ts";
import { PublicUrl } from "./config/public-url.ts";
import { type AgentChanged, AgentRegistry } from "./domain/agents/agent-registry.ts";
import { AuditTrail } from "./domain/audit/audit-trail.ts";
import { ChannelPolicy } from "./domain/channels/channel-policy.ts";
import { ChannelRegistry } from "./domain/channels/channel-registry.ts";
import { CredentialRegistry } from "./domain/credentials/credential-registry.ts";
import { KeyRotation } from "./domain/credentials/key-rotation.ts";
import { DeadLetterOffice } from "./domain/messages/dead-letter-office.ts";
import { MessageQueueManager } from "./domain/messages/message-queue-manager.ts";
import { MessageTypeRegistry } from "./domain/messages/message-type-registry.ts";
import { PayloadSchemas } from "./domain/messages/payload-schemas.ts";
import { Polls } from "./domain/messages/polls.ts";
import { ScheduleContents } from "./domain/schedules/schedule-contents.ts";
import { ScheduleFiring } from "./domain/schedules/schedule-firing.ts";
import { Schedules } from "./domain/schedules/schedules.ts";
import { SystemMonitor } from "./domain/statistics/system-monitor.ts";
import { ChildTasks } from "./domain/tasks/child-tasks.ts";
import { SupervisorCoordinator } from "./domain/tasks/supervisor-coordinator.ts";
import { TaskContents } from "./domain/tasks/task-contents.ts";
import { TaskQuestions } from "./domain/tasks/task-questions.ts";
import { TaskUsage } from "./domain/tasks/task-usage.ts";
import { TaskWatch } from "./domain/tasks/task-watch.ts";
import { WaitNotices } from "./domain/tasks/wait-notices.ts";
import { Workflows } from "./domain/tasks/workflows.ts";
import { countingGate } from "./gates/counting-gate.ts";
import type { Gate } from "./gates/gate.ts";
import { RateLimiter } from "./gates/rate-limiter.ts";
import { RefusalCounter } from "./gates/refusal-counter.ts";
import { RequiredGate } from "./gates/required-gate.ts";
import { openGate } from "./http/caller-guard.ts";
import type { Clock } from "./model/clock.ts";
import { RENEWALS_AT_ONCE_MAX, RENEWALS_PER_MINUTE } from "./model/limits.ts";
import { ContentEncryption } from "./security/content-encryption.ts";
import { openKeys } from "./security/open-keys.ts";
import type { Store } from "./store/store.ts";
import { observedStore } from "./telemetry/observed-store.ts";
import { type Log, lineLog } from "./trace/log.ts";
import type { Telemetry } from "./trace/telemetry.ts";

/** Everything a handler may use, made once per process. */
export interface Services {
  config: Config;
  clock: Clock;
  store: Store;
  gate: Gate;
  /** Under which callers reach this service. */
  publicUrl: PublicUrl;
  /** In which order long bodies are read. */
  turns: Turns;
  /** Of replies that may be long, whoever asks. */
  replyTurns: Turns;
  /** How often each agent may renew its tokens. */
  renewals: RateLimiter;
  registry: AgentRegistry;
  credentials: CredentialRegistry;
  messages: MessageQueueManager;
  channels: ChannelRegistry;
  deadLetters: DeadLetterOffice;
  messageTypes: MessageTypeRegistry;
  coordinator: SupervisorCoordinator;
  questions: TaskQuestions;
  workflows: Workflows;
  schedules: Schedules;
  firing: ScheduleFiring;
  usage: TaskUsage;
  /** What a host that runs all the time listens to, to hand out tasks when they are due. */
  waitNotices: WaitNotices;
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
  const tasks = new TaskContents({ store, encryption });
  /** A credential has so many long polls in all, whatever they wait for. */
  const polls = new Polls();
  const watch = new TaskWatch({ store, clock, polls });
  const waitNotices = new WaitNotices();
  const changes = { watch, notices: waitNotices };
  const { defaultTimeoutSeconds, maxRetries } = config;
  const children = new ChildTasks({ store, encryption, defaultTimeoutSeconds, maxRetries });
  const questions = new TaskQuestions({ store, tasks, encryption, policy, ...changes, children });
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
  const ofTasks = { store, contents: tasks, questions, defaultTimeoutSeconds, maxRetries };
  const coordinator = new SupervisorCoordinator({ ...ofTasks, ...changes });
  const workflows = new Workflows({ ...ofTasks, encryption, notices: waitNotices });
  const scheduled = new ScheduleContents(encryption);
  const firing = new ScheduleFiring({ store, contents: scheduled, coordinator, workflows, questions });
  return {
    config,
    clock,
    store,
    telemetry,
    gate,
    publicUrl: new PublicUrl(config.publicUrl),
    turns: new Turns(),
    replyTurns: new Turns(),
    renewals: new RateLimiter({ clock, perSecond: RENEWALS_PER_MINUTE / 60, burst: RENEWALS_AT_ONCE_MAX }),
    registry: new AgentRegistry({ store, heartbeatIntervalSeconds: config.heartbeatIntervalSeconds, agentChanged }),
    credentials,
    messages: new MessageQueueManager({ store, clock, encryption, schemas, policy, polls }),
    channels: new ChannelRegistry({ store, policy }),
    deadLetters: new DeadLetterOffice({ store, encryption }),
    messageTypes: new MessageTypeRegistry({ store, schemas }),
    questions,
    coordinator,
    workflows,
    schedules: new Schedules({ store, contents: scheduled, firing }),
    firing,
    usage: new TaskUsage({ store }),
    waitNotices,
    keyRotation,
    monitor,
    audit: new AuditTrail({ store, retentionDays: config.auditRetentionDays }),
    refusals,
  };
}
