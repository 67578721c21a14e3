/** Active workers of one capacity, and the tasks that they have together. */
export interface LoadGroup {
  /** Above 0. */
  capacity: number;
  workers: number;
  tasks: number;
}

/**
 * Mean load of workers, 0 to 1. A worker whose capacity was lowered below what it has counts as full, and so does a group of one capacity
 * that has more than it can take.
 */
export function meanLoad(groups: readonly LoadGroup[]): number {
  let workers = 0;
  let load = 0;
  for (const group of groups) {
    workers += group.workers;
    load += Math.min(group.tasks / group.capacity, group.workers);
  }
  return workers === 0 ? 0 : load / workers;
}
