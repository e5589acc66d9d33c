import { createHash } from "node:crypto";
import {
  ARRIVALS,
  foldersAbove,
  type GuestFileContent,
  type GuestLogin,
  type GuestOp,
  MADE_FOLDERS,
} from "./ops.ts";
import { refreshAuthoritiesScript } from "./authorities_script.ts";
import {
  checkPackagesScript,
  installScript,
  OWN_FOLDER,
  readProfile,
  removePackagesScript,
} from "./packages_script.ts";
import { quote, quoteAll } from "./quote.ts";
import {
  checkContainerdScript,
  checkPluginScript,
  endTasksScript,
  listTasksScript,
  resumeTasksScript,
} from "./task_script.ts";

/** Where the guest keeps what stood at a path before ours. */
const KEPT = `${OWN_FOLDER}/before`;

/** The shell script that does operations in order and ends at the first that fails. */
export function opsScript(ops: readonly GuestOp[]): string {
  const lines: string[] = [];
  for (let index = 0; index < ops.length;) {
    const { op } = ops[index]!;
    let end = index + 1;
    while (end < ops.length && ops[end]!.op === op) end++;
    const run = ops.slice(index, end);
    const paths = run.flatMap((each) => "path" in each ? [each.path] : []);
    if (op === "put-back") lines.push(putBackScript(paths));
    else if (op === "drop-kept") lines.push(dropKeptScript(paths));
    else lines.push(...run.map((each) => scripts[each.op](each as never)));
    index = end;
  }
  return ["set -e", "export LC_ALL=C", ...lines].join("\n");
}

type Scripts = { readonly [K in GuestOp["op"]]: (op: Extract<GuestOp, { op: K }>) => string };

const scripts: Scripts = {
  "write": ({ files }) => writeScript(files),
  "move-in": ({ name, path, mode }) => {
    const [from, to] = [quote(`${ARRIVALS}/${name}`), quote(path)];
    return [
      ...foldersAbove(path).filter((folder) => !ALWAYS_THERE.has(folder)).map((folder) =>
        makeFolder(folder, undefined)
      ),
      `if [ -d ${to} ] && [ ! -L ${to} ]; then echo ${quote(`${path}: a folder stands there`)}; exit 1; fi`,
      `chown root:root ${from}`,
      `chmod ${mode} ${from}`,
      `mv -fT ${from} ${to}`,
    ].join("\n");
  },
  "keep": ({ path }) => {
    const kept = keptPath(path);
    return `{ ! ${isThere(quote(path))}; } || ${isThere(kept)} || ` +
      `{ mkdir -p -m 0700 ${KEPT}; cp -a ${quote(path)} ${kept}.part; mv -fT ${kept}.part ${kept}; }`;
  },
  "put-back": ({ path }) => putBackScript([path]),
  "drop-kept": ({ path }) => dropKeptScript([path]),
  "remove": ({ path }) => `rm -f ${quote(path)}`,
  "make-folder": ({ path, mode, remember }) =>
    [
      ...(remember ? foldersTo(path).map((folder) => makeFolder(folder, undefined)) : [
        `mkdir -p ${quote(path)}`,
      ]),
      ...(mode === undefined ? [] : [`chmod ${mode} ${quote(path)}`]),
    ].join("\n"),
  "remove-folder": ({ path }) => foldersTo(path).reverse().map(removeMadeFolder).join("\n"),
  "systemctl": ({ args, journal, lenient }) => {
    const command = `systemctl ${quoteAll(args)}`;
    if (lenient) return `${command} 2>/dev/null || :`;
    if (journal === undefined) return command;
    return `${command} || { journalctl -q --no-pager -o cat -n 8 -u ${quote(journal)}; exit 1; }`;
  },
  "retire-unit": ({ unit, keepRunning }) => {
    const name = quote(unit);
    const now = keepRunning ? "" : "--now ";
    return `if systemctl cat -- ${name} >/dev/null 2>&1; then systemctl disable -q --no-reload ${now}${name}; fi`;
  },
  "want-units": ({ target, units }) => {
    const links = units.map((unit) => `[ -L ${quote(`/etc/systemd/system/${target}.wants/${unit}`)} ]`);
    // systemd keeps a unit's former state in memory until it reads its files again.
    return `{ ${links.join(" && ")}; } || ` +
      `{ systemctl add-wants -q --no-reload ${quoteAll([target, ...units])}; systemctl daemon-reload; }`;
  },
  "hostname": ({ name }) => hostnameScript(name),
  "timezone": ({ zone }) =>
    [
      `[ -e ${quote(`/usr/share/zoneinfo/${zone}`)} ] || { echo ${
        quote(`The guest knows no time zone ${zone}; old names come with packages.install: [tzdata-legacy]`)
      }; exit 1; }`,
      `ln -sfn ${quote(`/usr/share/zoneinfo/${zone}`)} /etc/localtime.machine-part`,
      "mv -fT /etc/localtime.machine-part /etc/localtime",
      `printf '%s\\n' ${
        quote(zone)
      } >/etc/timezone.machine-part; mv -fT /etc/timezone.machine-part /etc/timezone`,
    ].join("\n"),
  "login": ({ login }) => loginScript(login),
  "remove-login": ({ name }) => {
    const word = quote(name);
    return `if id -u ${word} >/dev/null 2>&1; then ${endProcessesOf(word)}; userdel ${word}; fi`;
  },
  "join-group": ({ user, group }) => `usermod -aG ${quote(group)} ${quote(user)}`,
  "leave-group": ({ user, group }) =>
    `case " $(id -nG ${quote(user)} 2>/dev/null) " in *${quote(` ${group} `)}*) ` +
    `gpasswd -d ${quote(user)} ${quote(group)} >/dev/null;; esac`,
  // The file under /proc/sys says a refused value by the write's own error (proc_sys(5)).
  "set-sysctl": ({ key, value, ifThere }) => {
    const path = quote(sysctlPath(key));
    const missing = `echo ${
      quote(`The guest's kernel has no parameter ${key}; a module may bring it`)
    }; exit 1`;
    return `if [ -e ${path} ]; then printf '%s\\n' ${quote(value)} >${path}; else ${
      ifThere ? ":" : missing
    }; fi`;
  },
  "find-module": ({ name }) => `modinfo -F filename ${quote(name)}`,
  "load-module": ({ name }) => `modprobe ${quote(name)}`,
  "unload-module": ({ name }) => `modprobe -r -q ${quote(name)} || :`,
  "install-packages": ({ names }) => installScript(names),
  "check-packages": ({ names }) => checkPackagesScript(names),
  "remove-packages": ({ names }) => removePackagesScript(names),
  "grow-filesystem": ({ device }) => `resize2fs ${quote(device)} 2>&1`,
  "run-file": ({ file, log, as, unless }) => {
    const run = `code=0; ${asLogin(file, as)} </dev/null >${quote(log)} 2>&1 || code=$?; cat ${
      quote(log)
    }; [ $code = 0 ] || exit $code`;
    if (unless === undefined) return run;
    return `if ! ${asLogin(unless, as)} </dev/null >/dev/null 2>&1; then ${run}; fi`;
  },
  "run-check": ({ file, as }) =>
    `${
      asLogin(file, as)
    } </dev/null >/dev/null 2>&1 || { echo "Its check still fails after it ran"; exit 1; }`,
  "refresh-authorities": () => refreshAuthoritiesScript(),
  "check-dockerd": ({ path }) => `dockerd --validate --config-file=${quote(path)} 2>&1`,
  "end-tasks": ({ only, except }) => endTasksScript(only, except),
  "check-containerd": ({ path }) => checkContainerdScript(path),
  "drop-bridge": ({ name }) => {
    const link = `/sys/class/net/${name}`;
    // A port of it is a container's (Documentation/networking/bridge.rst: brif holds the ports).
    return `if [ -d ${quote(`${link}/brif`)} ] && [ -z "$(ls ${quote(`${link}/brif`)})" ]; then ` +
      `ip link delete ${quote(name)}; fi`;
  },
  "check-plugin": ({ id }) => checkPluginScript(id),
  "list-tasks": () => listTasksScript(),
  "resume-tasks": () => resumeTasksScript(),
  "journal": ({ unit }) => `journalctl -q --no-pager -o cat -n 8 -u ${quote(unit)}`,
  "clock": () => "date +%s.%N",
};

/** A file run by root, or as by a login of its own. */
function asLogin(file: string, login: string | undefined): string {
  if (login !== undefined) return `runuser -l ${quote(login)} -c ${quote(quote(file))}`;
  return `( ${readProfile("machine-proxy")}; ${readProfile("machine")}; cd /root; exec ${quote(file)} )`;
}

/** Where the guest keeps the file that stood at a path before ours. */
export function keptPath(path: string): string {
  return `${KEPT}/${shortHash(path)}`;
}

/** The file under /proc of a kernel parameter; a slash in its name stands for a dot of a part (sysctl.d(5)). */
export function sysctlPath(key: string): string {
  return `/proc/sys/${key.replace(/[./]/g, (mark) => mark === "." ? "/" : ".")}`;
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

/** A shell condition: a link that leads nowhere is there too. */
function isThere(word: string): string {
  return `{ [ -e ${word} ] || [ -L ${word} ]; }`;
}

/** What was kept comes back; the rest goes by one process, and then the folders that were made for it. */
function putBackScript(paths: readonly string[]): string {
  const restore = paths.map((path) => {
    const [kept, part] = [keptPath(path), quote(`${path}.machine-part`)];
    return `if ${isThere(kept)}; then cp -a ${kept} ${part}; mv -fT ${part} ${quote(path)}; ` +
      `else set -- "$@" ${quote(path)}; fi`;
  });
  const folders = new Set(paths.flatMap(foldersAbove).sort().reverse()); // what is in a folder comes before it
  return [
    "set --",
    ...restore,
    '[ $# = 0 ] || rm -f -- "$@"',
    "set --",
    ...[...folders].map(removeMadeFolder),
  ]
    .join("\n");
}

function dropKeptScript(paths: readonly string[]): string {
  const drop = paths.map((path) => `if ${isThere(keptPath(path))}; then set -- "$@" ${keptPath(path)}; fi`);
  return ["set --", ...drop, '[ $# = 0 ] || rm -rf -- "$@"', "set --"].join("\n");
}

function foldersTo(path: string): string[] {
  return foldersAbove(`${path}/x`);
}

/** The file that remembers that a folder was made for something of ours. */
export function madeMark(folder: string): string {
  return `${MADE_FOLDERS}/${shortHash(folder)}`;
}

/** Makes one folder, and remembers before that it was not there. */
function makeFolder(folder: string, owner: string | undefined): string {
  const word = quote(folder);
  const chown = owner === undefined || owner === "root:root" ? "" : `; chown ${quote(owner)} ${word}`;
  return `[ -d ${word} ] || { mkdir -p ${MADE_FOLDERS}; : >${madeMark(folder)}; mkdir ${word}${chown}; }`;
}

function removeMadeFolder(folder: string): string {
  const mark = madeMark(folder);
  // One that is not empty keeps its mark: what is still in it may be ours, and goes later.
  return `[ ! -e ${mark} ] || { ! rmdir ${quote(folder)} 2>/dev/null || rm -f ${mark}; }`;
}

/**
 * Writes any number of files in one process: under emulation a process costs 60 ms. Debian's perl-base is essential,
 * so it is in every guest (Debian policy 3.8). Names and contents come as hex, which no shell and no locale touches.
 */
const WRITER = `
use strict; my $failed = 0;
while (my $line = <STDIN>) {
  chomp $line;
  my ($mode, $owner, $hexPath, $hexText) = split / /, $line, 4;
  my $path = pack("H*", $hexPath);
  my $part = "$path.machine-part";
  my $result = eval {
    my ($user, $group) = split /:/, $owner;
    my $uid = $user =~ /^[0-9]+$/ ? $user : getpwnam($user);
    my $gid = $group =~ /^[0-9]+$/ ? $group : getgrnam($group);
    defined $uid or die "the guest has no user $user\\n";
    defined $gid or die "the guest has no group $group\\n";
    -d $path && !-l $path and die "a folder stands there\\n";
    unlink $part;
    umask 0077;
    open(my $file, ">", $part) or die "$!\\n";
    binmode $file;
    print $file pack("H*", $hexText) or die "$!\\n";
    close($file) or die "$!\\n";
    chown($uid, $gid, $part) or die "$!\\n";
    chmod(oct($mode), $part) or die "$!\\n";
    rename($part, $path) or die "$!\\n";
    1;
  };
  if (!$result) { print "$path: $@"; $failed = 1; }
}
exit $failed;
`;

function writeScript(files: readonly GuestFileContent[]): string {
  const folders = new Map<string, string | undefined>();
  for (const { path, owner } of files) {
    const home = path.startsWith("/home/");
    // In somebody's home, folders made for their file are theirs.
    for (const folder of foldersAbove(path)) {
      if (!folders.has(folder)) folders.set(folder, home ? owner : undefined);
    }
  }
  const rows = files.map(({ path, content, mode, owner }) =>
    `${mode} ${owner ?? "root:root"} ${hexOf(path)} ${hexOf(content)}`
  );
  const isOwn = (folder: string) => folder === OWN_FOLDER || folder.startsWith(`${OWN_FOLDER}/`);
  return [
    ...[...folders.keys()].filter(isOwn).map((folder) =>
      `[ -d ${quote(folder)} ] || mkdir -p ${quote(folder)}`
    ),
    ...[...folders].filter(([folder]) => !ALWAYS_THERE.has(folder) && !isOwn(folder)).sort(([a], [b]) =>
      a < b ? -1 : 1
    )
      .map(([folder, owner]) => makeFolder(folder, owner)),
    `perl -e ${quote(WRITER)} <<'@@machine-files'`,
    ...rows,
    "@@machine-files",
  ].join("\n");
}

const ALWAYS_THERE = new Set(["/etc", "/home", "/usr", "/usr/local", "/var", "/var/lib", "/etc/systemd"]);

function hexOf(content: string | Uint8Array): string {
  return (typeof content === "string" ? new TextEncoder().encode(content) : content).toHex();
}

/** sethostname(2) through /proc needs no running hostnamed, which would take a second to start. */
function hostnameScript(hostname: string): string {
  const name = quote(hostname);
  const hosts = "/etc/hosts";
  return [
    `printf '%s\\n' ${name} >/etc/hostname.part; mv -f /etc/hostname.part /etc/hostname`,
    `printf %s ${name} >/proc/sys/kernel/hostname`,
    `[ -e ${hosts} ] || printf '127.0.0.1 localhost\\n::1 localhost\\n' >${hosts}`,
    // 127.0.1.1 is what Debian gives a host's own name (Debian Reference, 5.1.1).
    `{ grep -v '^127.0.1.1[[:space:]]' ${hosts} || :; printf '127.0.1.1 %s\\n' ${name}; } >${hosts}.part`,
    `chmod 0644 ${hosts}.part; mv -f ${hosts}.part ${hosts}`,
  ].join("\n");
}

/** One flow for a new and a known login; useradd's own copying would fail on the mounted /home. */
function loginScript({ name, uid, shell, home }: GuestLogin): string {
  const [user, folder, program] = [quote(name), quote(home), quote(shell)];
  return [
    `[ -x ${program} ] || { echo "The guest has no shell "${program}; exit 1; }`,
    `if now=$(id -u ${user} 2>/dev/null); then`,
    `if [ "$now" != ${uid} ]; then ${endProcessesOf(user)}`,
    // usermod(8) sees to the files of the user, groupmod(8) leaves those of the group: they go first, to be found again.
    `[ ! -d ${folder} ] || find ${folder} -xdev -group "$(id -g ${user})" -exec chgrp -h ${uid} {} +`,
    `groupmod -g ${uid} ${user}; fi`,
    `usermod -u ${uid} -d ${folder} -s ${program} ${user}`,
    `else groupadd -f -g ${uid} ${user}; useradd -M -u ${uid} -g ${user} -d ${folder} -s ${program} ${user}; fi`,
    `if [ ! -d ${folder} ]; then mkdir -p ${folder}; cp -r /etc/skel/. ${folder}/; chmod 0755 ${folder}; fi`,
    `[ "$(stat -c %u ${folder})" = ${uid} ] || chown -R ${user}: ${folder}`,
  ].join("\n");
}

/** usermod(8) and userdel(8) refuse a login that runs processes. */
function endProcessesOf(user: string): string {
  return `loginctl terminate-user ${user} 2>/dev/null || :; ` +
    `for i in 1 2 3 4 5 6 7 8 9 10; do pkill -KILL -u ${user} || break; sleep 0.3; done`;
}
