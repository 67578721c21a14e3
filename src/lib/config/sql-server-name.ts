/** The server of a connection string: `tcp:host,port`, with all but the host left out at will. */

export type ServerName = { server: string; port?: number } | { problem: string };

const HOST = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?|\[?[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*\]?)$/;

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** Reads `tcp:db.example.net,1433`; the problem names no part of the text. */
export function parseServer(text: string): ServerName {
  const protocol = /^(np|lpc|admin|tcp):(?!:)/i.exec(text)?.[1]?.toLowerCase();
  if (protocol !== undefined && protocol !== "tcp") return { problem: "only tcp is available" };
  const [host = "", port, ...rest] = (protocol === undefined ? text : text.slice("tcp:".length)).split(",");
  if (rest.length > 0) return { problem: "must be host or tcp:host,port" };
  if (host.includes("\\")) return { problem: "named instances are not available; give host,port" };
  if (/^[^:]+:\d+$/.test(host)) return { problem: "the port must follow a comma: host,port" };
  const name = host.trim();
  const server = name === "." || name.toLowerCase() === "(local)" ? "localhost" : name;
  if (!HOST.test(server)) return { problem: "must be host or tcp:host,port" };
  // Without the brackets of a URL: the driver wants the address itself.
  const address = server.replace(/^\[(.*)\]$/, "$1");
  if (port === undefined) return { server: address };
  if (!/^\s*\d{1,5}\s*$/.test(port) || !isPort(Number(port))) return { problem: "the port must be 1 to 65535" };
  return { server: address, port: Number(port) };
}
