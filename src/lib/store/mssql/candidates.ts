export {};

/**
 * Who may take a task: at most 64 workers, found by seeking in the index of each capability set that meets the demand.
 * The cost depends on how many different sets meet it, not on how many agents there are.
 */
