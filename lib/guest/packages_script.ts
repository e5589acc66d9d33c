import { quote, quoteAll } from "./quote.ts";

/** Where we keep our own things in the guest. */
export const OWN_FOLDER = "/var/lib/machine";

/** A connection has the environment of its start, and may be older than what a login finds now. */
export function readProfile(name: "machine" | "machine-proxy"): string {
  const script = `/etc/profile.d/${name}.sh`;
  return `[ ! -r ${script} ] || . ${script}`;
}

/** The packages that were there before we put in the first one: they are never ours to take away. */
const BEFORE_US = `${OWN_FOLDER}/packages-before`;
/** The packages that were superfluous before a removal began. */
const SUPERFLUOUS = `${OWN_FOLDER}/superfluous`;

/** Where the power went away under dpkg, apt does nothing until that is finished (dpkg(1), --configure). */
const FINISH_DPKG =
  '[ -z "$(ls /var/lib/dpkg/updates 2>/dev/null)" ] || dpkg --configure -a >/dev/null 2>&1 || :';

/** The lists of packages that a guest has may be old or missing: they are fetched when apt cannot do without. */
export function installScript(names: readonly string[]): string {
  const install = `apt-get -q -o DPkg::Lock::Timeout=120 install -y ${quoteAll(names)} 2>&1`;
  return [
    readProfile("machine-proxy"),
    "export DEBIAN_FRONTEND=noninteractive",
    FINISH_DPKG,
    `[ -e ${BEFORE_US} ] || { mkdir -p ${OWN_FOLDER}; dpkg-query -W -f '\${Package}\\n' >${BEFORE_US}.part; ` +
    `mv -f ${BEFORE_US}.part ${BEFORE_US}; }`,
    `${install} >/var/lib/machine/apt.log </dev/null || ` +
    `{ apt-get -q update >/var/lib/machine/apt.log 2>&1 && ${install} >>/var/lib/machine/apt.log </dev/null; } || ` +
    "{ tail -n 15 /var/lib/machine/apt.log; exit 1; }",
  ].join("\n");
}

/**
 * Removal by apt's own reckoning: the packages become "automatic", and what can go now but could not before goes.
 * So what another package needs stays, and so does what was there, or superfluous, before us.
 */
export function removePackagesScript(names: readonly string[]): string {
  const log = `${OWN_FOLDER}/apt.log`;
  const failed = `{ tail -n 15 ${log}; exit 1; }`;
  // To a file first: of a pipe only the last program's end would count, and silence would look like "nothing".
  const reckon = `apt-get -q -s autoremove >${log} 2>&1 || ${failed}`;
  const list = `sed -n 's/^Remv \\([^ ]*\\).*/\\1/p' ${log} | sort`;
  const [first, notes] = [quote(names.join(" ")), SUPERFLUOUS];
  return [
    "export DEBIAN_FRONTEND=noninteractive",
    `mkdir -p ${OWN_FOLDER}`,
    FINISH_DPKG,
    // What was superfluous before is written down first: cut off after the marks, nobody could tell it any more.
    `if [ "$(head -n 1 ${notes} 2>/dev/null)" != ${first} ]; then`,
    reckon,
    `{ printf '%s\\n' ${first}; ${list}; } >${notes}.part; mv -f ${notes}.part ${notes}`,
    "fi",
    `old=$(tail -n +2 ${notes})`,
    // Those that somebody has removed already cannot be marked, and need not be.
    `there=$(dpkg-query -W -f '\${binary:Package} \${db:Status-Status}\\n' ${
      quoteAll(names)
    } 2>/dev/null | ` +
    "sed -n 's/ installed$//p')",
    `[ -z "$there" ] || apt-mark auto $there >${log} 2>&1 || ${failed}`,
    reckon,
    `new=$(${list})`,
    "gone=",
    `for name in $new; do case " $(echo $old) " in *" $name "*) ;; ` +
    `*) grep -qxF -e "$name" ${BEFORE_US} 2>/dev/null || gone="$gone $name";; esac; done`,
    `[ -z "$gone" ] || apt-get -q -o DPkg::Lock::Timeout=120 purge -y $gone >${log} 2>&1 </dev/null || ${failed}`,
    `rm -f ${notes}`,
  ].join("\n");
}

/** Asks apt whether packages can be had, and changes nothing but its lists. */
export function checkPackagesScript(names: readonly string[]): string {
  const check = `apt-get -q -s install ${quoteAll(names)} >${OWN_FOLDER}/apt.log 2>&1`;
  return [
    // apt knows exceptions from the proxy by whole names; those by a domain it takes from the environment.
    readProfile("machine-proxy"),
    `mkdir -p ${OWN_FOLDER}`,
    `${check} || { apt-get -q update >/dev/null 2>&1; ${check}; } || { tail -n 15 ${OWN_FOLDER}/apt.log; exit 1; }`,
  ].join("\n");
}
