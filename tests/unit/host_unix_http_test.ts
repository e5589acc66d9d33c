import assert from "node:assert/strict";
import { join } from "node:path";
import { isNobodyThere } from "../../lib/host/unix_socket.ts";
import { unixHttp } from "../../lib/host/unix_http.ts";

Deno.test("unixHttp() sends method, path and JSON and gives status and body", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "s");
    const server = Deno.serve({ path, onListen: () => {} }, async (request) => {
      const { pathname, search } = new URL(request.url);
      return new Response(`${request.method} ${pathname}${search} ${await request.text()}`, { status: 201 });
    });
    const response = await unixHttp(path, {
      method: "POST",
      path: "/a/b?c=1",
      body: { text: "grüße" },
      timeoutMs: 2000,
    });
    assert.deepEqual(response, { status: 201, body: 'POST /a/b?c=1 {"text":"grüße"}' });
    await server.shutdown();
  });
});

Deno.test("unixHttp() reads an answer of 5 MB that is streamed", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "s");
    const server = Deno.serve({ path, onListen: () => {} }, () => {
      const block = new TextEncoder().encode("ü".repeat(50_000));
      let left = 50;
      return new Response(
        new ReadableStream({
          pull(controller) {
            if (left-- > 0) controller.enqueue(block);
            else controller.close();
          },
        }),
      );
    });
    const { body } = await unixHttp(path, { method: "GET", path: "/", timeoutMs: 5000 });
    assert.equal(body, "ü".repeat(2_500_000));
    await server.shutdown();
  });
});

Deno.test("unixHttp() tells nobody there from no answer", async () => {
  await withFolder(async (folder) => {
    const ask = (name: string, timeoutMs = 200) =>
      unixHttp(join(folder, name), { method: "GET", path: "/", timeoutMs });
    await assert.rejects(ask("missing"), isNobodyThere);
    using listener = Deno.listen({ transport: "unix", path: join(folder, "silent") });
    await assert.rejects(ask("silent"), { name: "TimeoutError" });
    (await listener.accept()).close();
  });
});

Deno.test("unixHttp() refuses an answer that ends too early or is not HTTP", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "s");
    using listener = Deno.listen({ transport: "unix", path });
    for (
      const [answer, expected] of [
        ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", /ended too early/],
        ["hello\r\n\r\n", /is not HTTP/],
        ["", /is not HTTP/],
      ] as const
    ) {
      const asked = unixHttp(path, { method: "GET", path: "/", timeoutMs: 2000 });
      const connection = await listener.accept();
      await connection.read(new Uint8Array(4096));
      await connection.write(new TextEncoder().encode(answer));
      connection.close();
      await assert.rejects(asked, expected);
    }
  });
});

Deno.test("unixHttp() stops with the signal's reason", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "s");
    using listener = Deno.listen({ transport: "unix", path });
    const stop = new AbortController();
    const asked = unixHttp(path, { method: "GET", path: "/", timeoutMs: 5000, signal: stop.signal });
    const connection = await listener.accept();
    stop.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    connection.close();
  });
});

async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
