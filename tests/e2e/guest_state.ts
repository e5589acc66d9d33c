import type { Sandbox } from "./sandbox.ts";

/** Files that Debian's own tools, or the machine's notes, write again on their own account. */
const BY_THE_WAY: readonly string[] = [
  ..."ld.so.cache passwd- group- shadow- gshadow- subuid- subgid- .pwd.lock".split(" ").map((name) =>
    `/etc/${name}`
  ),
  // What it says is compared apart; its bytes are not.
  "/var/lib/machine/owned.json",
  "/var/lib/machine/apt.log",
  "/var/lib/machine/packages-before",
  // Folders of its own that are there from their first use on; what is in them is compared.
  "/var/lib/machine/before",
  "/var/lib/machine/made",
  "/var/lib/machine/provision",
];

const FOLDERS = "/etc /mnt /opt /srv /usr/local /var/lib/machine /home/ada.guest";

/** Kernel parameters that the tests change. */
const PARAMETERS: readonly string[] = ["vm/swappiness", "net/ipv4/ip_local_port_range"];

/** What the provision steps of the full file make: it stays when they leave the file. */
export const MADE_BY_STEPS: readonly string[] = ["/home/ada.guest/second", "/home/ada.guest/env"];

/**
 * What a guest is, line by line: files with owner, mode and hash, packages, units, kernel parameters, modules, mounts.
 * Two of them tell whether everything that was put in is out again.
 * @param but files of the user's own making that are not looked at
 */
export async function guestState(
  sandbox: Sandbox,
  name: string,
  but: readonly string[] = [],
): Promise<readonly string[]> {
  const skipped = [...BY_THE_WAY, ...but].map((file) => `! -path ${file}`).join(" ");
  // What is mounted below has its own line.
  const find = `find ${FOLDERS} -xdev ${skipped}`;
  const script = [
    "export LC_ALL=C",
    `${find} ! -type f -printf '%p %U:%G %m %l\\n'`,
    `${find} -type f -printf '%p %U:%G %m\\n'`,
    `${find} -type f -exec sha256sum -- {} +`,
    "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n'",
    "systemctl list-unit-files --no-pager --no-legend --state=enabled,masked",
    ...PARAMETERS.map((path) => `echo "${path} $(cat /proc/sys/${path})"`),
    "echo timezone $(date +%Z) host $(cat /proc/sys/kernel/hostname)",
    "cut -d' ' -f1 /proc/modules | grep -x dummy || :",
    "findmnt -rno TARGET -t ext4,9p",
    `grep -o '"[a-z]*:[^"]*":\\|"/[^"]*":' /var/lib/machine/owned.json | sed 's/^/owned /' || :`,
  ].join("\n");
  return (await sandbox.inGuest(name, script)).split("\n").sort();
}
