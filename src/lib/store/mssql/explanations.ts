export { readExplanation } from "../explanations.ts";

/** Why an agent was chosen: kept with every attempt as a compact text, and read as an Explanation. */
