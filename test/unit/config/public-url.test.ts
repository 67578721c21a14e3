import { describe, expect, it } from "@jest/globals";
import { PublicUrl, readPublicUrl } from "../../../src/lib/config/public-url.ts";

function read(text: string | undefined): { origin: string | undefined; problems: string[] } {
  const problems: string[] = [];
  return { origin: readPublicUrl(text, problems), problems };
}

describe("AGENT_PUBLIC_URL", () => {
  it.each([
    ["https://agents.example", "https://agents.example"],
    ["https://AGENTS.example/", "https://agents.example"],
    ["https://agents.example:443", "https://agents.example"],
    ["https://agents.example:8443/", "https://agents.example:8443"],
    ["http://127.0.0.1:7071", "http://127.0.0.1:7071"],
    ["http://localhost:80/", "http://localhost"],
    ["http://[::1]:7071", "http://[::1]:7071"],
  ])("%s is %s", (text, origin) => {
    expect(read(text)).toEqual({ origin, problems: [] });
  });

  it.each([
    "agents.example",
    "http://agents.example",
    "http://127.0.0.1.example",
    "https://agents.example/api",
    "https://agents.example//",
    "https://agents.example?x=1",
    "https://agents.example#x",
    "https://user@agents.example",
    "ftp://127.0.0.1",
    "javascript:alert(1)",
    "https://",
  ])("%s is refused by name", (text) => {
    const { origin, problems } = read(text);
    expect(origin).toBeUndefined();
    expect(problems).toEqual([expect.stringMatching(/^AGENT_PUBLIC_URL: must be https:\/\/host without a path/)]);
  });
});

describe("the public URL", () => {
  it("is the setting, wherever the host listens", () => {
    const url = new PublicUrl("https://agents.example");
    url.listensOn("http://127.0.0.1:7071/api");
    expect(url.origin).toBe("https://agents.example");
  });

  it("is without the setting the address that the host listens on, on loopback alone", () => {
    const url = new PublicUrl(undefined);
    for (const elsewhere of ["http://", "http://agents.example", "https://10.0.0.4:7071/api"]) url.listensOn(elsewhere);
    expect(url.origin).toBeUndefined();
    url.listensOn("https://localhost:7071/api");
    expect(url.origin).toBe("https://localhost:7071");
  });
});
