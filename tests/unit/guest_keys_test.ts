import assert from "node:assert/strict";
import { join } from "node:path";
import { type KeyPair, makeKeyPair } from "../../lib/guest/keys.ts";

Deno.test("makeKeyPair() makes a private key from which ssh-keygen derives the public one", async () => {
  for (const comment of ["machine dev", "a", "ab", "abc", "abcd"]) {
    await checkBySshKeygen(makeKeyPair(comment));
  }
});

Deno.test("makeKeyPair() keeps a public key that begins with a zero byte whole", async () => {
  let pair = makeKeyPair("test");
  for (let tries = 1; firstByte(pair) !== 0 && tries < 20_000; tries++) pair = makeKeyPair("test");
  assert.equal(firstByte(pair), 0);
  await checkBySshKeygen(pair);
});

Deno.test("makeKeyPair() makes another key each time", () => {
  assert.notEqual(makeKeyPair("a").privateKey, makeKeyPair("a").privateKey);
});

/** The key itself stands behind the lengths (4 bytes each) of the type's name and of the key. */
function firstByte(pair: KeyPair): number | undefined {
  return Uint8Array.fromBase64(pair.publicKey.split(" ")[1] ?? "")[4 + "ssh-ed25519".length + 4];
}

async function checkBySshKeygen(pair: KeyPair): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "id");
    await Deno.writeTextFile(path, pair.privateKey, { mode: 0o600 });
    const { stdout, stderr } = await new Deno.Command("ssh-keygen", { args: ["-y", "-f", path] }).output();
    assert.equal(new TextDecoder().decode(stderr), "");
    assert.equal(new TextDecoder().decode(stdout), pair.publicKey);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
