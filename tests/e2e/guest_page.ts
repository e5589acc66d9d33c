import assert from "node:assert/strict";
import { quote } from "../../lib/guest/quote.ts";
import { waitFor } from "../../lib/host/clock.ts";
import type { Sandbox } from "./sandbox.ts";

/** What an http server says to the guest, which has no client for it but its shell; waits until it says something. */
export async function pageInGuest(sandbox: Sandbox, name: string, address: string): Promise<string> {
  const { hostname, port, pathname } = new URL(`http://${address}`);
  const ask = `exec 3<>/dev/tcp/${hostname}/${
    port || 80
  } && printf 'GET ${pathname} HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3`;
  const answer = await waitFor(async () => {
    const text = await sandbox.inGuest(name, `bash -c ${quote(ask)} 2>/dev/null || :`);
    return text.startsWith("HTTP/") ? text : undefined;
  }, { timeoutMs: 60_000 });
  assert.ok(answer, `nothing answers at ${address}`);
  return answer.slice(answer.indexOf("\r\n\r\n") + 4);
}
