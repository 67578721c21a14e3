import { faces } from "../functions/faces.ts";
import { routes } from "../functions/route-table.ts";
import { timers } from "../functions/timers.ts";
import { type Config, readConfig, tellUnknownSettings } from "../lib/config/config.ts";
import { isLoopback } from "../lib/config/platform.ts";
import { openClientCertificates } from "../lib/gates/caller-verifier.ts";
import { systemClock } from "../lib/model/clock.ts";
import { printable } from "../lib/model/printable.ts";
import { createServices, type Services } from "../lib/services.ts";
import { openStore } from "../lib/store/open-store.ts";
import { openTelemetry } from "../lib/telemetry/open.ts";
import { type Log, lineLog } from "../lib/trace/log.ts";
import { faultListener } from "../lib/trace/store-faults.ts";
import { DueTasks } from "./due-tasks.ts";
import { ScheduleAlarm } from "./schedule-alarm.ts";
import { type LocalServer, startServer } from "./server.ts";
import { LocalTimers } from "./timers.ts";

/** `npm start`: the whole switchboard in one process, on one file. */

/** How long stopping may take before the process ends anyway. */
const STOP_MILLISECONDS = 10_000;

// A reader of our output that has gone (a closed terminal, a log collector that was restarted) is no reason to end: the switchboard
// goes on without being read. Without a listener the next line would end the process.
for (const output of [process.stdout, process.stderr]) output.on("error", () => undefined);

const lines: Log = lineLog((line) => process.stderr.write(`${line}\n`));

/** One line, whatever the error says. */
function oneLine(error: unknown): string {
  return printable((error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ").trim());
}

/** Runs a step of the start; when it fails, the error names the step in one line. */
async function step<Result>(what: string, run: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    throw new Error(what === "" ? oneLine(error) : `${what}: ${oneLine(error)}`, { cause: error });
  }
}

interface Periodic {
  localTimers: LocalTimers;
  dueTasks: DueTasks;
  alarm: ScheduleAlarm;
}

async function stopPeriodic({ localTimers, dueTasks, alarm }: Periodic): Promise<void> {
  await Promise.all([localTimers.stop(), dueTasks.stop(), alarm.stop()]);
}

function stopOnSignals(services: Services, server: LocalServer, periodic: Periodic): void {
  let stopping = false;
  const stop = async () => {
    // A second signal changes nothing: the first is already being obeyed.
    if (stopping) return;
    stopping = true;
    systemClock.after(STOP_MILLISECONDS, () => process.exit(1));
    try {
      await Promise.all([server.close(), stopPeriodic(periodic)]);
      services.messages.close();
      await services.refusals.close();
      // Before the store is closed: the last gauges are read from it.
      await services.telemetry?.stop();
      await services.store.close();
      process.exit(0);
    } catch (error) {
      process.stderr.write(`agent-communication: could not stop cleanly: ${oneLine(error)}\n`);
      process.exit(1);
    }
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/** What an operator should know of before anybody calls. @throws Error naming the setting of a file that will not do */
async function lookAtSecurity({ security, httpHost }: Config): Promise<void> {
  const { clientCertificates, tls } = security;
  if (clientCertificates !== undefined) await openClientCertificates(clientCertificates, systemClock, lines);
  if (tls === undefined && !isLoopback(httpHost)) {
    // Behind a proxy that ends TLS it is as it should be; we cannot tell.
    lines.info("plain HTTP: tokens and contents can be read in transit unless a proxy terminates TLS", {
      host: httpHost,
    });
  }
}

async function main(): Promise<void> {
  const config = await step("", () => readConfig(process.env));
  tellUnknownSettings(config, lines);
  await step("bad settings", () => lookAtSecurity(config));
  const database = config.sql === undefined ? config.mockDatabase : `${config.sql.database} on ${config.sql.server}`;
  const telemetry = await openTelemetry(config.telemetry, systemClock, lines);
  const log = telemetry?.tee(lines) ?? lines;
  const onFault = faultListener(log, telemetry);
  const store = await step(`cannot open the database ${database}`, () => openStore(config, systemClock, onFault));
  const services = createServices({ config, clock: systemClock, store, telemetry, log });
  const alarm = new ScheduleAlarm(services, log);
  const dueTasks = new DueTasks(services, log);
  const localTimers = new LocalTimers(services, log, (name, began) => {
    if (name === "sweep") dueTasks.swept(began);
  });
  const periodic = { localTimers, dueTasks, alarm };
  try {
    await step("", () => localTimers.start(timers));
    const where = `${config.httpHost}:${config.httpPort}`;
    const server = await step(`cannot listen on ${where}`, () => startServer(services, { routes, faces }, log));
    alarm.start();
    stopOnSignals(services, server, periodic);
    const asked = config.security.authMode === "none" ? "no credentials required" : "credentials required";
    const facts = `mode ${config.mode}, database ${database}, ${asked}`;
    process.stdout.write(`agent-communication listens on ${server.url} (${facts})\n`);
  } catch (error) {
    await stopPeriodic(periodic);
    await telemetry?.stop();
    await store.close();
    throw error;
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`agent-communication: ${oneLine(error)}\n`);
  process.exit(1);
});
