import { z } from "zod";
import { parseSchedule } from "../base/schedule.ts";
import { CHANNEL_POLICIES, type ChannelPolicyName } from "../model/channel.ts";
import { writtenDecimal, writtenWhole } from "../model/written-number.ts";
import type { StoreSettings } from "../store/store.ts";
import type { Log } from "../trace/log.ts";
import { type EncryptionSettings, readEncryptionSettings } from "./encryption-settings.ts";
import { type Environment, onAzure } from "./platform.ts";
import { readPublicUrl } from "./public-url.ts";
import { type SecuritySettings, securityOf, securitySchema } from "./security-settings.ts";
import { checkSettingNames } from "./setting-names.ts";
import { readSqlSettings, type SqlSettings } from "./sql-settings.ts";
import { readTelemetrySettings, type TelemetrySettings } from "./telemetry-settings.ts";

/** Settings are read once, validated together, and every error is reported at once and by name. */

const seconds = writtenDecimal((number) => number.positive().max(31_536_000));
const days = writtenDecimal((number) => number.positive().max(36_500));

/**
 * A schedule of both hosts. A TimeSpan (`00:05:00`) is refused: the Functions host takes one on dedicated plans only, not on the
 * plan that we deploy to.
 */
const ncrontab = z.string().superRefine((text, context) => {
  try {
    parseSchedule(text);
  } catch (error) {
    const message = `"${text}" is not an NCRONTAB schedule: ${error instanceof Error ? error.message : String(error)}`;
    context.addIssue({ code: "custom", message });
  }
});

const settingsSchema = z.object({
  AGENT_COMMUNICATION_MODE: z.enum(["sql", "mock"]).default("mock"),
  AGENT_MOCK_DATABASE: z.string().min(1).default(".data/agents.db"),
  AGENT_HTTP_HOST: z.string().min(1).default("127.0.0.1"),
  AGENT_HTTP_PORT: writtenWhole(0, 65_535).default(7071),
  AGENT_PUBLIC_URL: z.string().optional(),
  AGENT_DEFAULT_TIMEOUT: seconds.default(300),
  AGENT_MAX_RETRIES: writtenWhole(0, 100).default(3),
  AGENT_MAX_TASK_DEPTH: writtenWhole(1, 1_000).default(8),
  AGENT_MAX_TASKS_PER_ROOT: writtenWhole(1, 100_000).default(1_000),
  AGENT_HEARTBEAT_INTERVAL: seconds.default(30),
  AGENT_HEARTBEAT_TIMEOUT: seconds.optional(),
  AGENT_MAX_MAILBOX: writtenWhole(1).default(100_000),
  AGENT_SWEEP_SCHEDULE: ncrontab.default("*/15 * * * * *"),
  AGENT_MAINTENANCE_SCHEDULE: ncrontab.default("0 0 3 * * *"),
  AGENT_MESSAGE_RETENTION_DAYS: days.default(7),
  AGENT_DEAD_LETTER_RETENTION_DAYS: days.default(30),
  AGENT_INACTIVE_RETENTION_DAYS: days.default(30),
  AGENT_TASK_RETENTION_DAYS: days.default(30),
  AGENT_AUDIT_RETENTION_DAYS: days.default(365),
  AGENT_AUDIT_MESSAGES: z.enum(["on", "off"]).default("off"),
  AGENT_CHANNEL_POLICY: z.enum(CHANNEL_POLICIES).default("open"),
  ...securitySchema.shape,
});

type Settings = z.output<typeof settingsSchema>;

/** What a process runs with. */
export interface Config {
  mode: Settings["AGENT_COMMUNICATION_MODE"];
  /** The file of mode `mock`. */
  mockDatabase: string;
  /** How to reach the database of mode `sql`; undefined in mode `mock`. */
  sql: SqlSettings | undefined;
  encryption: EncryptionSettings;
  httpHost: string;
  httpPort: number;
  /** The origin under which callers reach the service, where it is set: see PublicUrl. */
  publicUrl: string | undefined;
  security: SecuritySettings;
  defaultTimeoutSeconds: number;
  maxRetries: number;
  /** How deep children of children may lie below the task that a supervisor made, and how many of all depths. */
  maxTaskDepth: number;
  maxTasksPerRoot: number;
  heartbeatIntervalSeconds: number;
  heartbeatTimeoutSeconds: number;
  maxMailbox: number;
  sweepSchedule: string;
  maintenanceSchedule: string;
  messageRetentionDays: number;
  deadLetterRetentionDays: number;
  inactiveRetentionDays: number;
  taskRetentionDays: number;
  auditRetentionDays: number;
  /** Whether sending, receiving and settling have entries in the audit, too. */
  auditMessages: boolean;
  /** Who may write to whom. */
  channelPolicy: ChannelPolicyName;
  /** Where traces, metrics and logs go; undefined: nowhere. */
  telemetry: TelemetrySettings | undefined;
  /** Variables with our prefix that no setting has: to be told once, since they do nothing. */
  unknownSettings: readonly string[];
}

/** What a store needs of the settings. */
export function storeSettings(config: Config): StoreSettings {
  const { heartbeatIntervalSeconds, heartbeatTimeoutSeconds, defaultTimeoutSeconds, maxRetries, maxMailbox } = config;
  const { messageRetentionDays, deadLetterRetentionDays, inactiveRetentionDays, taskRetentionDays } = config;
  const { auditRetentionDays, auditMessages, maxTaskDepth, maxTasksPerRoot } = config;
  return {
    heartbeatIntervalSeconds,
    heartbeatTimeoutSeconds,
    defaultTimeoutSeconds,
    maxRetries,
    maxTaskDepth,
    maxTasksPerRoot,
    maxMailbox,
    messageRetentionDays,
    deadLetterRetentionDays,
    inactiveRetentionDays,
    taskRetentionDays,
    auditRetentionDays,
    auditMessages,
  };
}

/** All that is wrong with the settings, one line each. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    // Several settings may need the same other one.
    super(`bad settings: ${[...new Set(problems)].join("; ")}`);
    this.name = "ConfigError";
  }
}

/**
 * Reads the settings. An empty variable counts as absent.
 *
 * @param options.underFunctions true under the Functions host, where the platform binds the address
 * @throws ConfigError naming every bad setting
 * @example
 * const config = readConfig(process.env);
 */
export function readConfig(environment: Environment, options: { underFunctions?: boolean } = {}): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = settingsSchema.safeParse(given);
  const sql = given.AGENT_COMMUNICATION_MODE === "sql" ? readSqlSettings(given) : undefined;
  const telemetry = readTelemetrySettings(given);
  const names = checkSettingNames(given);
  const problems = [
    ...names.problems,
    ...(sql !== undefined && "problems" in sql ? sql.problems : []),
    ...telemetry.problems,
  ];
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.map(String).join(".")}: ${issue.message}`);
    throw new ConfigError([...issues, ...problems]);
  }
  const settings = parsed.data;
  const mockDatabase = settings.AGENT_COMMUNICATION_MODE === "mock" ? settings.AGENT_MOCK_DATABASE : undefined;
  const encryption = readEncryptionSettings(given, mockDatabase);
  problems.push(...encryption.problems);
  if (onAzure(given) && given.AGENT_COMMUNICATION_MODE === undefined) {
    problems.push("AGENT_COMMUNICATION_MODE: must be set on Azure");
  }
  const place = {
    environment: given,
    underFunctions: options.underFunctions ?? false,
    host: settings.AGENT_HTTP_HOST,
    mode: settings.AGENT_COMMUNICATION_MODE,
  };
  const security = securityOf(settings, place, problems);
  const publicUrl = readPublicUrl(settings.AGENT_PUBLIC_URL, problems);
  const heartbeatTimeoutSeconds = settings.AGENT_HEARTBEAT_TIMEOUT ?? 3 * settings.AGENT_HEARTBEAT_INTERVAL;
  if (heartbeatTimeoutSeconds < settings.AGENT_HEARTBEAT_INTERVAL) {
    const interval = settings.AGENT_HEARTBEAT_INTERVAL;
    problems.push(`AGENT_HEARTBEAT_TIMEOUT: must be at least AGENT_HEARTBEAT_INTERVAL, ${interval} s`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    mode: settings.AGENT_COMMUNICATION_MODE,
    mockDatabase: settings.AGENT_MOCK_DATABASE,
    sql: sql !== undefined && "settings" in sql ? sql.settings : undefined,
    encryption: encryption.settings,
    httpHost: settings.AGENT_HTTP_HOST,
    httpPort: settings.AGENT_HTTP_PORT,
    publicUrl,
    security,
    defaultTimeoutSeconds: settings.AGENT_DEFAULT_TIMEOUT,
    maxRetries: settings.AGENT_MAX_RETRIES,
    maxTaskDepth: settings.AGENT_MAX_TASK_DEPTH,
    maxTasksPerRoot: settings.AGENT_MAX_TASKS_PER_ROOT,
    heartbeatIntervalSeconds: settings.AGENT_HEARTBEAT_INTERVAL,
    heartbeatTimeoutSeconds,
    maxMailbox: settings.AGENT_MAX_MAILBOX,
    sweepSchedule: settings.AGENT_SWEEP_SCHEDULE,
    maintenanceSchedule: settings.AGENT_MAINTENANCE_SCHEDULE,
    messageRetentionDays: settings.AGENT_MESSAGE_RETENTION_DAYS,
    deadLetterRetentionDays: settings.AGENT_DEAD_LETTER_RETENTION_DAYS,
    inactiveRetentionDays: settings.AGENT_INACTIVE_RETENTION_DAYS,
    taskRetentionDays: settings.AGENT_TASK_RETENTION_DAYS,
    auditRetentionDays: settings.AGENT_AUDIT_RETENTION_DAYS,
    auditMessages: settings.AGENT_AUDIT_MESSAGES === "on",
    channelPolicy: settings.AGENT_CHANNEL_POLICY,
    telemetry: telemetry.settings,
    unknownSettings: names.unknown,
  };
}

/** The one warning about variables with our prefix that are no settings; their values may be anybody's and are not shown. */
export function tellUnknownSettings({ unknownSettings }: Config, log: Log): void {
  if (unknownSettings.length === 0) return;
  log.info("variables with the prefix of a setting that are not settings are ignored", {
    names: unknownSettings.join(", "),
  });
}
