/** Who a guest is, and who may come in as root. */
export interface GuestIdentity {
  /** Public key that may log in as root, one line. */
  readonly rootKey: string;
  /** The guest's own private host key (OpenSSH format, ed25519). */
  readonly hostKeyPrivate: string;
  readonly hostKeyPublic: string;
  readonly hostname: string;
}

/**
 * The text of the credential "tmpfiles.extra", which QEMU passes with
 * `-fw_cfg name=opt/io.systemd.credentials/tmpfiles.extra,file=…`: lines for systemd-tmpfiles (tmpfiles.d(5)),
 * which it carries out at every boot, so that a key that was lost or changed in the guest heals by a restart.
 * `f+` writes the file anew, `~` says that its content is base64.
 */
export function credentialsFor(identity: GuestIdentity): string {
  const lines = [
    "d /etc/ssh/authorized_keys.d 0755 root root - -",
    file("/etc/ssh/authorized_keys.d/root", "0600", identity.rootKey),
    file("/etc/ssh/ssh_host_ed25519_key", "0600", identity.hostKeyPrivate),
    file("/etc/ssh/ssh_host_ed25519_key.pub", "0644", identity.hostKeyPublic),
    file("/etc/hostname", "0644", identity.hostname),
  ];
  return `${lines.join("\n")}\n`;
}

function file(path: string, mode: string, content: string): string {
  const bytes = new TextEncoder().encode(`${content.trimEnd()}\n`);
  return `f+~ ${path} ${mode} root root - ${btoa(String.fromCharCode(...bytes))}`;
}
