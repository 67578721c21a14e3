import { withinTime } from "../../../base/within-time.ts";

/**
 * Tries a regular expression on texts that make backtracking ones slow: repeated characters of its own, and an end that fits nothing.
 * It cannot find every slow one; checks of payloads have a time limit as well.
 * https://owasp.org/www-community/attacks/Regular_expression_Denial_of_Service_-_ReDoS
 */

const MILLISECONDS = 25;
/** Exponential ones take for ever at 40 characters; of a square one 5,000 characters take some 25 ms. */
const LENGTHS = [40, 5_000];
/** Different characters of the pattern that are tried. */
const CHARACTERS_MAX = 8;
const COMMON = ["a", "0", " "];
/** In no class that anybody writes. */
const MISFIT = "\u0001";

function charactersOf(pattern: string): string[] {
  const own = [...new Set(pattern.replaceAll(/\\./g, "").match(/[\p{L}\p{N}\p{P}\p{S}]/gu) ?? [])];
  return [...new Set([...COMMON, ...own.slice(0, CHARACTERS_MAX)])];
}

/** A busy machine can hold any of them up for so long, but not three times in a row. */
const TRIES = 3;

/** True when the expression takes longer than 25 ms for the texts that are tried, each time. */
export function isDearPattern(pattern: string): boolean {
  for (let attempt = 0; attempt < TRIES; attempt += 1) if (isQuick(pattern)) return false;
  return true;
}

function isQuick(pattern: string): boolean {
  const expression = new RegExp(pattern, "u");
  const characters = charactersOf(pattern);
  try {
    withinTime(() => {
      for (const length of LENGTHS) {
        for (const character of characters) expression.test(character.repeat(length) + MISFIT);
        // Of groups such as (ab)* the characters in turn.
        expression.test(characters.slice(COMMON.length).join("").repeat(length).slice(0, length) + MISFIT);
      }
    }, MILLISECONDS);
    return true;
  } catch {
    return false;
  }
}
