import type { GuestControl } from "../../lib/guest/control.ts";
import { sysctlPath } from "../../lib/guest/op_script.ts";
import type {
  Fact,
  GuestFacts,
  GuestFile,
  GuestQuery,
  GuestStamp,
  GuestUnit,
} from "../../lib/guest/query.ts";
import { sha256 } from "../../lib/host/files.ts";
import { ARRIVALS } from "../../lib/guest/ops.ts";
import { Apt } from "./apt.ts";
import { simContent } from "./artifacts.ts";
import type { System } from "./base_image.ts";
import type { Effects } from "./effects.ts";
import { performOps } from "./guest_ops.ts";
import { Kernel } from "./kernel.ts";
import { Logins } from "./logins.ts";
import { runScript } from "./scripts.ts";
import { type Hardware, Systemd } from "./systemd.ts";
import { View } from "./tree.ts";

/** What a guest runs on. */
export interface GuestParts {
  /** Its system disk. */
  readonly system: System;
  readonly hardware: Hardware;
  readonly effects: Effects;
  /** The time in milliseconds; every call is later than the one before. */
  readonly clock: () => number;
  readonly bootId: string;
}

/** A simulated Debian from its boot to the end of its VM: what is on its disks, and what is in force. */
export class SimGuest {
  readonly bootId: string;
  readonly effects: Effects;
  readonly clock: () => number;
  readonly view: View;
  readonly kernel = new Kernel();
  readonly logins: Logins;
  readonly apt: Apt;
  readonly systemd: Systemd;
  /** Paths, units, packages and checks that cannot be looked at. */
  readonly hidden = new Set<string>();
  /** Paths, units, packages and checks that were asked for so far. */
  readonly asked = new Set<string>();

  constructor({ system, hardware, effects, clock, bootId }: GuestParts) {
    this.bootId = bootId;
    this.effects = effects;
    this.clock = clock;
    this.view = new View(system.tree);
    this.logins = new Logins(this.view);
    this.apt = new Apt(system.packages, this.view);
    this.systemd = new Systemd(this.view, hardware, { clock, boot: bootId });
    this.#boot();
  }

  /** The guest as a connection sees it. */
  control(): GuestControl {
    return {
      look: async (query) => {
        await this.effects.look();
        return this.facts(query);
      },
      perform: (ops) => performOps(this, ops),
      copyIn: async ({ source, name, digest }) => {
        await this.effects.step(`guest take in ${name}`);
        const content = simContent(source);
        if (sha256(content) !== digest) {
          return { ok: false, code: 1, output: "It did not arrive as it was sent" };
        }
        this.view.makeFolders(ARRIVALS);
        const file = { kind: "file", content, mode: "600", owner: "root:root" } as const;
        this.view.set(`${ARRIVALS}/${name}`, { ...file, mtimeMs: this.clock() });
        return { ok: true, code: 0, output: "" };
      },
    };
  }

  /** A file's content; `undefined` when there is none. */
  text(path: string): string | undefined {
    const entry = this.view.follow(path);
    return entry?.kind === "file" ? entry.content : undefined;
  }

  /** Puts a file of root's in its place. */
  put(path: string, content: string): void {
    this.view.set(path, { kind: "file", content, mode: "644", owner: "root:root", mtimeMs: this.clock() });
  }

  /** Answers a query. */
  facts(query: GuestQuery): GuestFacts {
    const files = new Set([...query.files ?? [], ...query.hashes ?? []]);
    const checks = new Map((query.checks ?? []).map((check) => [check.name, check]));
    const tell = <T>(name: string, isAsked: boolean, fact: () => Fact<T>): Fact<T> => {
      this.asked.add(name);
      if (!isAsked) return { state: "unknown", reason: `the guest was not asked for ${name}` };
      return this.hidden.has(name) ? { state: "unknown", reason: `${name} cannot be read` } : fact();
    };
    return {
      bootId: this.bootId,
      file: (path) => tell(path, files.has(path), () => this.#file(path)),
      stamp: (path) => tell(path, query.stamps?.includes(path) ?? false, () => this.#stamp(path)),
      names: (folder) => tell(folder, query.folders?.includes(folder) ?? false, () => this.#names(folder)),
      line: (path, line) => {
        const isAsked = query.lines?.some((one) => one.path === path && one.line === line) ?? false;
        const has = this.text(path)?.split("\n").includes(line) ?? false;
        return tell(path, isAsked, () => ({ state: "present", value: has }));
      },
      unit: (name) => tell(name, query.units?.includes(name) ?? false, () => this.#unit(name)),
      package: (name) => tell(name, query.packages?.includes(name) ?? false, () => this.#package(name)),
      check: (name) => tell(name, checks.has(name), () => this.#check(checks.get(name)!)),
    };
  }

  #boot(): void {
    this.kernel.hostname = this.text("/etc/hostname")?.trim() ?? "localhost";
    for (const path of this.view.below("/etc/modules-load.d")) this.kernel.load(this.text(path)!.trim());
    for (const path of this.view.below("/etc/sysctl.d")) {
      const row = /^(.*?) = (.*)$/m.exec(this.text(path)!);
      if (row) this.kernel.set(row[1]!, row[2]!);
    }
    this.systemd.boot();
  }

  #file(path: string): Fact<GuestFile> {
    const made = this.#madeUp(path);
    if (made !== undefined) return present(made, { mode: "444", owner: "root:root", mtimeMs: 0 });
    const entry = this.view.follow(path);
    if (entry === undefined) return { state: "absent" };
    if (entry.kind === "file") return present(entry.content, entry);
    return { state: "unknown", reason: `${path} could not be read in the guest` }; // a folder has no hash
  }

  #stamp(path: string): Fact<GuestStamp> {
    const entry = this.view.follow(path);
    if (entry === undefined) return { state: "absent" };
    if (entry.kind !== "file") return { state: "unknown", reason: `${path} is no file` };
    const { mode, owner, content, mtimeMs } = entry;
    return { state: "present", value: { mode, owner, sizeBytes: content.length, changed: String(mtimeMs) } };
  }

  #names(folder: string): Fact<readonly string[]> {
    if (!this.view.isFolder(folder)) return { state: "absent" };
    const names = this.view.below(folder).map((path) => path.slice(folder.length + 1).split("/")[0]!);
    return { state: "present", value: [...new Set(names)].sort() };
  }

  /** Files that the kernel makes up. */
  #madeUp(path: string): string | undefined {
    if (path === "/proc/sys/kernel/hostname") return `${this.kernel.hostname}\n`;
    if (path === "/proc/modules") return this.kernel.modules.map((name) => `${name} 1 0 - Live\n`).join("");
    if (path === "/proc/self/mountinfo") {
      return this.view.mounts.map(({ target, root, type, source, writable }, id) => {
        const options = writable ? "rw" : "ro";
        return `${id} 1 0:1 ${root || "/"} ${target} ${options} - ${type} ${source} ${options}\n`;
      }).join("");
    }
    const key = [...this.kernel.parameters.keys()].find((key) => sysctlPath(key) === path);
    return key === undefined ? undefined : `${this.kernel.parameters.get(key)}\n`;
  }

  #unit(name: string): Fact<GuestUnit> {
    const unit = this.systemd.show(name);
    return unit.loadState === "not-found" ? { state: "absent" } : { state: "present", value: unit };
  }

  #package(name: string): Fact<string> {
    const version = this.apt.version(name);
    return version === undefined ? { state: "absent" } : { state: "present", value: version };
  }

  #check({ run, as }: { readonly run: string; readonly as?: string }): Fact<boolean> {
    // setpriv of a login that is not there ends before anything answers.
    if (as !== undefined && !this.logins.has(as)) {
      return { state: "unknown", reason: "its check did not end" };
    }
    return { state: "present", value: runScript(run, this.view, 0).code === 0 };
  }
}

function present(
  text: string,
  { mode, owner, mtimeMs }: { readonly mode: string; readonly owner: string; readonly mtimeMs: number },
): Fact<GuestFile> {
  // A look gives lines, and so an end to the last of them.
  const lines = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return { state: "present", value: { sha256: sha256(text), mode, owner, mtimeMs, text: lines } };
}
