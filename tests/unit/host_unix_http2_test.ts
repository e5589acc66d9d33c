import assert from "node:assert/strict";
import { join } from "node:path";
import { speaksHttp2 } from "../../lib/host/unix_http2.ts";

/** The settings of a server, as an empty frame. */
const SETTINGS = [0, 0, 0, 4, 0, 0, 0, 0, 0];

const ROWS: readonly (readonly [string, readonly number[] | undefined, boolean])[] = [
  ["answers by its settings", SETTINGS, true],
  ["answers by settings with something in them", [0, 0, 6, ...SETTINGS.slice(3), 0, 3, 0, 0, 0, 100], true],
  ["says something else", [...new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")], false],
  ["hangs up in the middle", SETTINGS.slice(0, 4), false],
  ["hangs up at once", [], false],
  ["says nothing in time", undefined, false],
];
for (const [how, answer, speaks] of ROWS) {
  Deno.test(`speaksHttp2() is ${speaks} of a server that ${how}`, () =>
    withSocket(async (path) => {
      using listener = Deno.listen({ transport: "unix", path });
      const served = serveOnce(listener, answer);
      assert.equal(await speaksHttp2(path, answer === undefined ? 100 : 5000), speaks);
      await served;
    }));
}

Deno.test("speaksHttp2() is false where nobody is", () =>
  withSocket(async (path) => {
    assert.equal(await speaksHttp2(path, 1000), false);
    Deno.listen({ transport: "unix", path }).close(); // leaves a file that nobody listens on
    assert.equal(await speaksHttp2(path, 1000), false);
  }));

/** Takes one connection; waits for its end where there is no answer. */
async function serveOnce(listener: Deno.UnixListener, answer: readonly number[] | undefined): Promise<void> {
  const connection = await listener.accept();
  const heard = new Uint8Array(33);
  for (let filled = 0; filled < heard.length;) {
    const count = await connection.read(heard.subarray(filled));
    if (count === null) break;
    filled += count;
  }
  assert.match(new TextDecoder().decode(heard), /^PRI \* HTTP\/2\.0\r\n\r\nSM\r\n\r\n/);
  if (answer === undefined) assert.equal(await connection.read(new Uint8Array(1)), null);
  else await connection.write(new Uint8Array(answer));
  connection.close();
}

async function withSocket(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "http2-" });
  try {
    await work(join(folder, "s"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
