import { stopwatch } from "../model/clock.ts";

/** A reading of the processor's time is this old at most, in milliseconds, and so wrong by as much at most. */
const READING_MAX_AGE = 1;
/** What takes less real time than this is not worth a reading, which takes 1 µs. */
const SHORT_MILLISECONDS = 2;

/** Milliseconds of the processor that this thread has had; of the process, where Node does not tell threads apart (before 23.9). */
function processorMilliseconds(): number {
  const { user, system } = (process.threadCpuUsage ?? process.cpuUsage)();
  return (user + system) / 1_000;
}

/** The last reading: it is shared, so that a busy process takes a thousand a second at most. */
let reading: { used: number; age: () => number } | undefined;

/**
 * Starts to measure how long the processor works for something that does not wait. On a busy machine a process stands still for
 * milliseconds at a time, which no caller is to be charged for.
 *
 * @returns a function that gives the milliseconds since then, with fractions: real time at most
 */
export function processorWatch(): () => number {
  if (reading === undefined || reading.age() > READING_MAX_AGE) {
    reading = { used: processorMilliseconds(), age: stopwatch() };
  }
  const { used } = reading;
  const elapsed = stopwatch();
  return () => {
    const milliseconds = elapsed();
    return milliseconds < SHORT_MILLISECONDS ? milliseconds : Math.min(milliseconds, processorMilliseconds() - used);
  };
}
