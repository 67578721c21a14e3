import { expect, it } from "@jest/globals";
import { refuseForeignOrigin } from "../../../src/lib/gates/foreign-origin.ts";

/** Whether a request with these headers is let through. */
function passes(headers: Record<string, string>, publicOrigin?: string): boolean {
  try {
    refuseForeignOrigin((name) => headers[name], publicOrigin);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "FORBIDDEN", status: 403 });
    return false;
  }
}

const host = "agents.internal:7071";
const PUBLIC = "https://agents.example";

it("an Origin passes that is the public URL's, or that of Host, in any case; so do programs, which send none", () => {
  expect(passes({ host }, PUBLIC)).toBe(true);
  for (const origin of [
    PUBLIC,
    "HTTPS://Agents.Example",
    `http://${host}`,
    `https://${host}`,
    "http://AGENTS.internal:7071",
  ]) {
    expect([origin, passes({ host, origin }, PUBLIC)]).toEqual([origin, true]);
  }
});

it("every other Origin is refused, those that only look alike included", () => {
  for (const origin of [
    "null",
    "",
    "https://evil.example",
    "http://agents.example",
    "https://agents.example:8443",
    "https://agents.example.evil.example",
    "https://agents.internal",
    `ftp://${host}`,
    `${PUBLIC}, https://evil.example`,
    `${PUBLIC}/`,
  ]) {
    expect([origin, passes({ host, origin }, PUBLIC)]).toEqual([origin, false]);
  }
  expect(passes({ host, origin: PUBLIC })).toBe(false);
  expect(passes({ origin: "https://" })).toBe(false);
});
