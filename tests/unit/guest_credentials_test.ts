import assert from "node:assert/strict";
import { credentialsFor } from "../../lib/guest/credentials.ts";

Deno.test("credentialsFor() writes each file anew at every boot, with the modes that sshd asks for", () => {
  const text = credentialsFor({
    rootKey: "ssh-ed25519 AAAA root",
    hostKeyPrivate: "-----BEGIN-----\nx\n-----END-----\n",
    hostKeyPublic: "ssh-ed25519 BBBB host\n",
    hostname: "dev",
  });
  const lines = text.trimEnd().split("\n");
  assert.equal(lines[0], "d /etc/ssh/authorized_keys.d 0755 root root - -");
  const files = lines.slice(1).map((line) => {
    const [type, path, mode, user, group, age, content = ""] = line.split(" ");
    return { head: [type, path, mode, user, group, age].join(" "), content: atob(content) };
  });
  assert.deepEqual(files, [
    { head: "f+~ /etc/ssh/authorized_keys.d/root 0600 root root -", content: "ssh-ed25519 AAAA root\n" },
    {
      head: "f+~ /etc/ssh/ssh_host_ed25519_key 0600 root root -",
      content: "-----BEGIN-----\nx\n-----END-----\n",
    },
    { head: "f+~ /etc/ssh/ssh_host_ed25519_key.pub 0644 root root -", content: "ssh-ed25519 BBBB host\n" },
    { head: "f+~ /etc/hostname 0644 root root -", content: "dev\n" },
  ]);
});
