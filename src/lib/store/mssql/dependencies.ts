export {};

/** Tells dependents that what they wait for has ended; a failure runs on to their own dependents. */
