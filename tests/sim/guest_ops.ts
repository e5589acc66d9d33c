import { AUTHORITIES_BUNDLE, AUTHORITIES_FOLDER } from "../../lib/guest/authorities_script.ts";
import { keptPath, madeMark } from "../../lib/guest/op_script.ts";
import { ARRIVALS, foldersAbove, type GuestOp, type OpsResult } from "../../lib/guest/ops.ts";
import { UserError } from "../../lib/host/errors.ts";
import { DEBIAN_AUTHORITIES } from "./base_image.ts";
import type { SimGuest } from "./guest.ts";
import { runScript } from "./scripts.ts";

/** Ends the operations as the guest's shell does. */
class OpFailure extends Error {}

const OWN = "/var/lib/machine";
/** What was installed before the first package of ours. */
const BEFORE_US = `${OWN}/packages-before`;
/** What was superfluous before a removal of packages began. */
const SUPERFLUOUS = `${OWN}/superfluous`;
/** Folders of every Debian, of which no mark is made. */
const ALWAYS_THERE = new Set([
  "/etc",
  "/home",
  "/root",
  "/usr",
  "/usr/local",
  "/var",
  "/var/lib",
  "/etc/systemd",
]);

/** Does operations in order, as their shell scripts would, and ends at the first that fails. */
export async function performOps(guest: SimGuest, ops: readonly GuestOp[]): Promise<OpsResult> {
  const output: string[] = [];
  try {
    for (const op of ops) await rows[op.op](op as never, { guest, output });
    return { ok: true, code: 0, output: output.join("\n") };
  } catch (error) {
    if (!(error instanceof OpFailure || error instanceof UserError)) throw error;
    return { ok: false, code: 1, output: [...output, error.message].join("\n") };
  }
}

interface At {
  readonly guest: SimGuest;
  readonly output: string[];
}

type Rows = { readonly [K in GuestOp["op"]]: (op: Extract<GuestOp, { op: K }>, at: At) => Promise<void> };

const rows: Rows = {
  "write": async ({ files }, { guest }) => {
    for (const { path, owner } of files) {
      for (const folder of foldersAbove(path)) {
        const isHome = folder.startsWith("/home/");
        if (isOwn(folder)) guest.view.makeFolders(folder);
        else if (!ALWAYS_THERE.has(folder)) await makeFolder(guest, folder, isHome ? owner : undefined);
      }
    }
    const failures: string[] = [];
    for (const { path, content, mode, owner = "root:root" } of files) {
      await guest.effects.step(`guest write ${path}`);
      const [user = "", group = ""] = owner.split(":");
      if (!guest.logins.has(user)) failures.push(`${path}: the guest has no user ${user}`);
      else if (!guest.logins.hasGroup(group)) failures.push(`${path}: the guest has no group ${group}`);
      else if (guest.view.get(path)?.kind === "folder") failures.push(`${path}: a folder stands there`);
      else {
        const text = typeof content === "string" ? content : new TextDecoder().decode(content);
        const entry = { kind: "file", content: text, mode: mode.replace(/^0+/, ""), owner } as const;
        guest.view.set(path, { ...entry, mtimeMs: guest.clock() });
      }
    }
    if (failures.length > 0) throw new OpFailure(failures.join("\n"));
  },
  "move-in": async ({ name, path, mode }, { guest }) => {
    for (const folder of foldersAbove(path)) {
      if (!ALWAYS_THERE.has(folder)) await makeFolder(guest, folder);
    }
    await guest.effects.step(`guest move in ${path}`);
    const arrived = guest.view.get(`${ARRIVALS}/${name}`);
    if (arrived?.kind !== "file") throw new OpFailure(`${name} has not arrived`);
    if (guest.view.get(path)?.kind === "folder") throw new OpFailure(`${path}: a folder stands there`);
    guest.view.delete(`${ARRIVALS}/${name}`);
    guest.view.set(path, { ...arrived, mode: mode.replace(/^0+/, ""), owner: "root:root" });
  },
  "keep": async ({ path }, { guest }) => {
    const [entry, kept] = [guest.view.get(path), keptPath(path)];
    if (entry === undefined || guest.view.get(kept)) return;
    await guest.effects.step(`guest keep ${path}`);
    guest.view.makeFolders(`${OWN}/before`);
    guest.view.set(kept, entry);
  },
  "put-back": async ({ path }, { guest }) => {
    await guest.effects.step(`guest put back ${path}`);
    const kept = guest.view.get(keptPath(path));
    if (kept) return guest.view.set(path, kept);
    if (guest.view.get(path)?.kind === "folder") throw new OpFailure(`rm: cannot remove ${path}`);
    guest.view.delete(path);
    await removeMadeFolders(guest, foldersAbove(path));
  },
  "drop-kept": async ({ path }, { guest }) => {
    if (!guest.view.get(keptPath(path))) return;
    await guest.effects.step(`guest drop kept ${path}`);
    guest.view.delete(keptPath(path));
  },
  "remove": async ({ path }, { guest }) => {
    if (!guest.view.get(path)) return;
    await guest.effects.step(`guest remove ${path}`);
    guest.view.delete(path);
  },
  "make-folder": async ({ path, mode, remember }, { guest }) => {
    if (remember) { for (const folder of foldersTo(path)) await makeFolder(guest, folder, undefined); }
    else if (!guest.view.isFolder(path)) {
      await guest.effects.step(`guest mkdir ${path}`);
      guest.view.makeFolders(path);
    }
    const entry = guest.view.get(path);
    if (mode !== undefined && entry?.kind === "folder") {
      guest.view.set(path, { ...entry, mode: mode.replace(/^0+/, "") });
    }
  },
  "remove-folder": async ({ path }, { guest }) => await removeMadeFolders(guest, foldersTo(path)),
  "systemctl": async ({ args, lenient }, { guest }) => {
    await guest.effects.step(`guest systemctl ${args.join(" ")}`);
    const failure = systemctl(guest, args);
    if (failure !== undefined && !lenient) throw new OpFailure(failure);
  },
  "retire-unit": async ({ unit, keepRunning }, { guest }) => {
    if (!guest.systemd.isKnown(unit)) return;
    await guest.effects.step(`guest retire ${unit}`);
    guest.systemd.disable(unit);
    if (!keepRunning) guest.systemd.stop(unit);
  },
  "want-units": async ({ target, units }, { guest }) => {
    if (units.every((unit) => guest.systemd.isWanted(target, unit))) return;
    await guest.effects.step(`guest want ${units.join(" ")}`);
    for (const unit of units) guest.systemd.want(target, unit);
  },
  "hostname": async ({ name }, { guest }) => {
    await guest.effects.step(`guest hostname ${name}`);
    guest.put("/etc/hostname", `${name}\n`);
    guest.kernel.hostname = name;
    await guest.effects.step(`guest hosts ${name}`);
    const hosts = guest.text("/etc/hosts") ?? "127.0.0.1 localhost\n::1 localhost\n";
    guest.put("/etc/hosts", `${hosts.replace(/^127\.0\.1\.1\s.*\n/gm, "")}127.0.1.1 ${name}\n`);
  },
  "timezone": async ({ zone }, { guest }) => {
    const file = `/usr/share/zoneinfo/${zone}`;
    if (!guest.view.follow(file)) throw new OpFailure(`The guest knows no time zone ${zone}`);
    await guest.effects.step(`guest localtime ${zone}`);
    guest.view.set("/etc/localtime", { kind: "link", to: file });
    await guest.effects.step(`guest timezone ${zone}`);
    guest.put("/etc/timezone", `${zone}\n`);
  },
  "login": async ({ login }, { guest }) => {
    if (!guest.view.follow(login.shell)) throw new OpFailure(`The guest has no shell ${login.shell}`);
    await guest.effects.step(`guest login ${login.name}`);
    guest.logins.set(login);
  },
  "remove-login": async ({ name }, { guest }) => {
    if (!guest.logins.has(name)) return;
    await guest.effects.step(`guest remove login ${name}`);
    guest.logins.remove(name);
  },
  "join-group": async ({ user, group }, { guest }) => {
    if (!guest.logins.has(user)) throw new OpFailure(`usermod: user '${user}' does not exist`);
    if (!guest.logins.hasGroup(group)) throw new OpFailure(`usermod: group '${group}' does not exist`);
    await guest.effects.step(`guest join ${user} ${group}`);
    guest.logins.join(user, group);
  },
  "leave-group": async ({ user, group }, { guest }) => {
    if (!guest.logins.isIn(user, group)) return;
    await guest.effects.step(`guest leave ${user} ${group}`);
    guest.logins.leave(user, group);
  },
  "set-sysctl": async ({ key, value, ifThere }, { guest }) => {
    if (ifThere && !guest.kernel.parameters.has(key)) return;
    await guest.effects.step(`guest set ${key}`);
    const refusal = guest.kernel.set(key, value);
    if (refusal !== undefined) throw new OpFailure(refusal);
  },
  "find-module": async ({ name }, { guest, output }) => {
    await guest.effects.look();
    const place = guest.kernel.find(name);
    if (place === undefined) throw new OpFailure(`modinfo: ERROR: Module ${name} not found.`);
    output.push(place);
  },
  "load-module": async ({ name }, { guest }) => {
    await guest.effects.step(`guest modprobe ${name}`);
    if (!guest.kernel.load(name)) throw new OpFailure(`modprobe: FATAL: Module ${name} not found`);
  },
  "unload-module": async ({ name }, { guest }) => {
    await guest.effects.step(`guest modprobe -r ${name}`);
    guest.kernel.unload(name);
  },
  "check-packages": async ({ names }, { guest }) => {
    await guest.effects.look();
    checkKnown(guest, names);
  },
  "install-packages": async ({ names }, { guest }) => {
    checkKnown(guest, names);
    if (guest.text(BEFORE_US) === undefined) {
      await guest.effects.step("guest note what is installed");
      guest.put(BEFORE_US, guest.apt.names().join("\n"));
    }
    for (const name of names) {
      await guest.effects.step(`guest install ${name}`);
      guest.apt.install(name, guest.clock());
    }
  },
  "remove-packages": async ({ names }, { guest }) => {
    const [first, ...noted] = (guest.text(SUPERFLUOUS) ?? "").split("\n");
    const beforeUs = (guest.text(BEFORE_US) ?? "").split("\n");
    const isNoted = first === names.join(" ");
    const before = isNoted ? noted : guest.apt.superfluous();
    if (!isNoted) {
      await guest.effects.step(`guest note what is superfluous`);
      guest.put(SUPERFLUOUS, [names.join(" "), ...before].join("\n"));
    }
    await guest.effects.step(`guest mark automatic ${names.join(" ")}`);
    guest.apt.markAutomatic(names);
    const stays = [...before, ...beforeUs];
    for (const name of guest.apt.superfluous().filter((name) => !stays.includes(name))) {
      await guest.effects.step(`guest purge ${name}`);
      guest.apt.purge(name);
    }
    await guest.effects.step(`guest forget what was superfluous`);
    guest.view.delete(SUPERFLUOUS);
  },
  "grow-filesystem": async ({ device }, { guest }) => {
    await guest.effects.step(`guest grow ${device}`);
    guest.systemd.hardware.grow(device);
  },
  "run-file": async ({ file, log, unless }, { guest, output }) => {
    const run = (path: string) => runScript(guest.text(path) ?? "exit 127", guest.view, guest.clock());
    if (unless !== undefined && run(unless).code === 0) return;
    await guest.effects.step(`guest run ${file}`);
    const ran = run(file);
    guest.put(log, ran.output);
    if (ran.output !== "") output.push(ran.output);
    if (ran.code !== 0) throw new OpFailure(`exit code ${ran.code}`);
  },
  "run-check": async ({ file }, { guest }) => {
    await guest.effects.look();
    const { code } = runScript(guest.text(file) ?? "exit 127", guest.view, guest.clock());
    if (code !== 0) throw new OpFailure("Its check still fails after it ran");
  },
  "refresh-authorities": async (_op, { guest }) => {
    const files = guest.view.below(AUTHORITIES_FOLDER).filter((path) => path.endsWith(".crt")).sort();
    const bundle = [DEBIAN_AUTHORITIES, ...files.map((path) => guest.text(path) ?? "")].join("");
    if (guest.text(AUTHORITIES_BUNDLE) === bundle) return;
    await guest.effects.step("guest make the bundle of authorities");
    guest.put(AUTHORITIES_BUNDLE, bundle);
  },
  "check-dockerd": async ({ path }, { guest }) => {
    await guest.effects.look();
    const config = guest.systemd.dockerd.read(path);
    if (typeof config === "string") throw new OpFailure(config);
  },
  "check-containerd": async ({ path }, { guest }) => {
    await guest.effects.look();
    const config = guest.systemd.containerd.read(path);
    if (typeof config === "string") throw new OpFailure(config);
  },
  "check-plugin": async ({ id }, { guest }) => {
    await guest.effects.look();
    if (!guest.systemd.containerd.hasCri()) throw new OpFailure(`containerd runs without its plugin ${id}`);
  },
  "drop-bridge": ({ name }, { guest }) => guest.effects.step(`guest drop bridge ${name}`),
  "list-tasks": async (_op, { guest, output }) => {
    await guest.effects.look();
    if (!guest.systemd.isActive("containerd.service")) throw new OpFailure("ctr: cannot access socket");
    output.push(guest.systemd.containerd.list());
  },
  "resume-tasks": async (_op, { guest }) => {
    await guest.effects.step("guest resume tasks");
    guest.systemd.containerd.resume();
  },
  "end-tasks": async ({ only, except }, { guest }) => {
    await guest.effects.step(`guest end tasks ${only === undefined ? `but of ${except}` : `of ${only}`}`);
    if (guest.systemd.isActive("containerd.service")) guest.systemd.containerd.end(only, except);
  },
  "journal": async ({ unit }, { guest, output }) => {
    await guest.effects.look();
    output.push(guest.systemd.journal.get(unit) ?? "");
  },
  "clock": async (_op, { guest, output }) => {
    await guest.effects.look();
    output.push(String(guest.clock() / 1000));
  },
};

function isOwn(path: string): boolean {
  return path === OWN || path.startsWith(`${OWN}/`);
}

function foldersTo(path: string): string[] {
  return foldersAbove(`${path}/x`);
}

/** Makes one folder, and remembers before that it was not there. */
async function makeFolder(guest: SimGuest, folder: string, owner = "root:root"): Promise<void> {
  const entry = guest.view.follow(folder);
  if (entry?.kind === "folder") return;
  if (entry) throw new OpFailure(`mkdir: cannot create directory ${folder}: File exists`);
  await guest.effects.step(`guest mark ${folder}`);
  guest.view.makeFolders(`${OWN}/made`);
  guest.put(madeMark(folder), "");
  await guest.effects.step(`guest mkdir ${folder}`);
  guest.view.set(folder, { kind: "folder", mode: "755", owner });
}

/** Removes folders, the innermost first, that were made for something of ours and are empty. */
async function removeMadeFolders(guest: SimGuest, folders: readonly string[]): Promise<void> {
  for (const folder of folders.toReversed()) {
    const mark = madeMark(folder);
    if (!guest.view.get(mark) || !guest.view.isEmpty(folder)) continue;
    await guest.effects.step(`guest rmdir ${folder}`);
    guest.view.delete(folder);
    await guest.effects.step(`guest unmark ${folder}`);
    guest.view.delete(mark);
  }
}

function checkKnown(guest: SimGuest, names: readonly string[]): void {
  const [unknown] = guest.apt.unknown(names);
  if (unknown !== undefined) throw new OpFailure(`E: Unable to locate package ${unknown}`);
}

/** Does what systemctl is told; gives why it failed. */
function systemctl({ systemd, clock }: SimGuest, [verb, ...rest]: readonly string[]): string | undefined {
  const units = rest.filter((word) => /\.(?:service|socket|mount)$/.test(word));
  if (verb === "daemon-reload") return void systemd.reload();
  if (verb === "poweroff" || verb === "reset-failed") return undefined;
  if (verb === "kill") return void systemd.dockerd.reload(clock());
  for (const unit of units) {
    if (verb === "stop" || verb === "restart") systemd.stop(unit);
    const failure = verb === "enable"
      ? systemd.enable(unit)
      : verb === "stop"
      ? undefined
      : systemd.start(unit);
    if (failure !== undefined) return failure;
  }
  return undefined;
}
