import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { customizeScript } from "../../lib/image/customize.ts";
import { extractKernel, unpackInitrd } from "../../lib/image/kernel.ts";
import { followBuild } from "../../lib/image/progress.ts";
import { runConfined } from "../../lib/host/confine.ts";
import { findProcesses, run } from "../../lib/host/process.ts";
import { waitFor } from "../../lib/host/clock.ts";

const ELF = new Uint8Array([0x7f, 0x45, 0x4c, 0x46, ...new Array(500).fill(7)]);

/** The least that is a bzImage: a header that says where the payload is. */
function bzImage(payload: Uint8Array): Uint8Array {
  const image = new Uint8Array(1024 + payload.length);
  const view = new DataView(image.buffer);
  image[0x1f1] = 1;
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x20f, true);
  view.setUint32(0x248, 0, true);
  view.setUint32(0x24c, payload.length, true);
  image.set(payload, 1024);
  return image;
}

Deno.test("extractKernel() unpacks a zstd payload, whose size stands behind it", () => {
  const payload = new Uint8Array([...zstdCompressSync(ELF), 0xf8, 1, 0, 0]);
  assert.deepEqual(new Uint8Array(extractKernel(bzImage(payload))), ELF);
});

Deno.test("extractKernel() refuses what is no kernel or packed in an unknown way", () => {
  assert.throws(() => extractKernel(new Uint8Array(2048)), /no bzImage/);
  assert.throws(() => extractKernel(bzImage(new Uint8Array([0xfd, 0x37, 0x7a, 0x58, 0]))), /"fd 37 7a 58"/);
  assert.throws(() => extractKernel(bzImage(gzipSync("no elf"))), /no ELF/);
});

Deno.test("unpackInitrd() takes compression off and leaves the rest as it is", () => {
  const cpio = new TextEncoder().encode("070701");
  assert.deepEqual(new Uint8Array(unpackInitrd(gzipSync(cpio))), cpio);
  assert.equal(unpackInitrd(cpio), cpio);
});

Deno.test("followBuild() turns mmdebstrap's lines into progress that never runs backwards", () => {
  const seen: { text: string; fraction: number | undefined }[] = [];
  const follow = followBuild((text, fraction) => seen.push({ text, fraction }));
  const lines = [
    "I: running apt-get update...",
    "I: downloading packages with apt...",
    "Get:1 http://mirror.test/debian trixie/main amd64 gcc-14-base amd64 14.2.0-19 [49.4 kB]",
    "I: installing remaining packages inside the chroot...",
    "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
    "Get:1 http://mirror.test/debian trixie/main amd64 runc amd64 1.1 [9 kB]",
    "Unpacking runc (1.1) ...",
    "Setting up runc (1.1) ...",
    "Setting up libc6:amd64 (2.41) ...",
    "I: running --customize-hook in shell: sh -c '...'",
    "dpkg: some other line",
  ];
  for (const line of lines) follow(line);
  assert.deepEqual(seen.map(({ text }) => text), [
    "Fetching the package lists",
    "Fetching Debian's base",
    "Fetching gcc-14-base",
    "Installing packages",
    "Fetching runc",
    "Unpacking runc",
    "Setting up runc",
    "Setting up libc6",
    "Setting the image up",
  ]);
  const fractions = seen.map(({ fraction }) => fraction ?? 0);
  assert.deepEqual(fractions, [...fractions].sort((a, b) => a - b));
});

Deno.test("customizeScript() is a script that sh accepts", async () => {
  assert.deepEqual(await run(["sh", "-n"], { stdin: customizeScript() }), {
    code: 0,
    stdout: "",
    stderr: "",
  });
});

Deno.test("runConfined() runs as root of its own processes and passes arguments as they are", async () => {
  const result = await runConfined(["sh", "-c", 'echo "$(id -u) $$ $1"', "sh", "a 'b' $c"]);
  assert.deepEqual(result, { code: 0, stdout: "0 1 a 'b' $c\n", stderr: "" });
});

Deno.test("runConfined() leaves no process behind when it is given up", async () => {
  const marker = `86400.${Date.now()}`;
  const mine = () => findProcesses((argv) => argv[0] === "sleep" && argv[1] === marker);
  const controller = new AbortController();
  const work = runConfined(["sh", "-c", 'setsid sleep "$1" & wait', "sh", marker], {
    signal: controller.signal,
  });
  const failed = assert.rejects(work);
  await waitFor(() => Promise.resolve(mine().length > 0 ? true : undefined), { timeoutMs: 20_000 });
  assert.equal(mine().length, 1);
  controller.abort();
  await failed;
  const gone = await waitFor(() => Promise.resolve(mine().length === 0 ? true : undefined), {
    timeoutMs: 20_000,
  });
  assert.equal(gone, true);
});
