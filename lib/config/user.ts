import type { HostFacts } from "../host/system.ts";
import { USER_NAME } from "./schema/guest.ts";
import type { GuestUser } from "./types.ts";

/** Users and groups of Debian's base system (base-passwd) and of the packages in every image. */
const TAKEN_NAMES: ReadonlySet<string> = new Set(
  `root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc gnats _apt nobody nogroup
   adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp video sasl plugdev
   staff users input kvm render sgx clock crontab netdev messagebus polkitd sshd _ssh ssh docker
   tss dnsmasq uuidd _chrony _rpc statd`.split(/\s+/),
);

/** Whether Debian has a user or a group of this name, or one of its services may. */
export function isTakenName(name: string): boolean {
  return TAKEN_NAMES.has(name) || name.startsWith("systemd-");
}

const NOBODY_UID = 65534;

/** The user of a machine whose file names none: you, where the guest can have a user of your name. */
export function defaultUser(host: HostFacts): GuestUser {
  const isFree = USER_NAME.test(host.user) && !isTakenName(host.user);
  const name = isFree ? host.user : "machine";
  // Below 500 are the accounts of Debian's packages; macOS begins its users at 501.
  const uid = host.uid >= 500 && host.uid !== NOBODY_UID ? host.uid : 1000;
  return { name, uid, shell: "/bin/bash", sudo: true, home: `/home/${name}.guest` };
}
