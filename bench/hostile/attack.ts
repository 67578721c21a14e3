/** What attacks share. */

/** The server that is attacked. */
export interface Target {
  host: string;
  port: number;
  /** Without a trailing slash, with /api. */
  url: string;
}

/** One hostile caller: an agent with a valid token of its own, or a stranger that does not use it. */
export interface Attacker {
  agentId: string;
  token: string;
}

export type Attack = (target: Target, attacker: Attacker, signal: AbortSignal) => Promise<void>;

/** A caller that is told to wait, waits a little: a hostile one does not wait for what Retry-After says. */
export const IMPATIENCE_MILLISECONDS = 5;

export const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** @returns the status; 0: no answer */
export async function post(
  target: Target,
  { token }: Attacker,
  path: string,
  body: string | Buffer,
  method = "POST",
): Promise<number> {
  try {
    const reply = await fetch(`${target.url}${path}`, {
      method,
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: typeof body === "string" ? body : new Uint8Array(body),
    });
    await reply.arrayBuffer();
    return reply.status;
  } catch {
    return 0;
  }
}

/** Sends the same body again and again; with several paths, to each in turn. */
export function repeated(
  path: (attacker: Attacker) => string | string[],
  body: (attacker: Attacker) => string,
  begin?: (target: Target, attacker: Attacker) => Promise<unknown>,
): Attack {
  return async (target, attacker, signal) => {
    const what = Buffer.from(body(attacker));
    const paths = [path(attacker)].flat();
    await begin?.(target, attacker);
    for (let n = 0; !signal.aborted; n += 1) {
      const status = await post(target, attacker, paths[n % paths.length] ?? "", what);
      if (status === 429 || status === 0) await pause(IMPATIENCE_MILLISECONDS);
    }
  };
}
