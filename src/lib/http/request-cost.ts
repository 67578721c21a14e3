/**
 * What a request costs beyond an ordinary one, in ordinary requests: limits count requests, and one of 4 MB, or one whose payload is
 * dear to check, takes as much of the process as many small ones. Waiting costs nothing.
 */

/** An ordinary request and its reply have at most so many bytes … */
const ORDINARY_BYTES = 64 * 1024;
/** … and takes at most so long to be parsed and checked. */
const ORDINARY_MILLISECONDS = 4;

/**
 * @param bytes of the body and of the reply
 * @param milliseconds of the processor, for parsing and checking
 * @returns 0 for an ordinary request
 * @example
 * extraCost(4 * 1024 * 1024, 40); // 74
 */
export function extraCost(bytes: number, milliseconds: number): number {
  return Math.floor(bytes / ORDINARY_BYTES) + Math.floor(milliseconds / ORDINARY_MILLISECONDS);
}
