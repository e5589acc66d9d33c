import { UserError } from "../../lib/host/errors.ts";
import { exists, removeIfPresent, writeAtomic } from "../../lib/host/files.ts";
import type { MachineFolder } from "../../lib/host/paths.ts";
import { diskFile, diskId } from "../../lib/resources/disk_names.ts";
import type { Platform, RawDisk } from "../../lib/resources/platform.ts";
import { newSystem, type System } from "./base_image.ts";
import type { Effects } from "./effects.ts";
import { Tree } from "./tree.ts";

/** A system disk. */
export interface Overlay {
  sizeMiB: number;
  filesystemMiB: number;
  readonly system: System;
}

/** A raw disk and its filesystem. */
export interface Raw {
  sizeMiB: number;
  filesystemMiB: number;
  readonly uuid: string;
  readonly tree: Tree;
}

/** The disks of all machines: that they are there is told by real files, what is on them is in memory. */
export class SimDisks {
  readonly driver: Platform["disks"];
  /** How many system disks were made so far. */
  systemDisks = 0;
  /** How many raw disks went with what was on them. */
  lostDisks = 0;
  readonly #effects: Effects;
  readonly #overlays = new Map<string, Overlay>();
  readonly #raws = new Map<string, Raw>();

  constructor(effects: Effects, backing: string) {
    this.#effects = effects;
    this.driver = this.#driver(backing);
  }

  /** The sizes of disks and of the filesystems on them, by file. */
  sizes(): Readonly<Record<string, readonly [number, number]>> {
    const rows = [...this.#overlays, ...this.#raws];
    return Object.fromEntries(
      rows.map(([path, { sizeMiB, filesystemMiB }]) => [path, [sizeMiB, filesystemMiB]] as const),
    );
  }

  /** What a machine boots from. @throws UserError when there is none */
  boot(folder: MachineFolder): System {
    const overlay = this.#overlays.get(folder.disk);
    if (!overlay) throw new UserError("There is no system disk");
    overlay.filesystemMiB = overlay.sizeMiB; // the image grows it at every boot
    return overlay.system;
  }

  /** A disk of a machine by its name in QEMU. @throws Error when there is none */
  of(folder: MachineFolder, id: string): Overlay | Raw {
    const disk = id === "system"
      ? this.#overlays.get(folder.disk)
      : this.#raws.get(id === "data" ? folder.dataDisk : diskFile(folder, id.slice(diskId("").length)));
    if (!disk) throw new Error(`There is no disk ${id}`);
    return disk;
  }

  #driver(backing: string): Platform["disks"] {
    return {
      readOverlay: async (path) => {
        const overlay = await this.#look(() => this.#overlays.get(path));
        return overlay && await exists(path) ? { sizeMiB: overlay.sizeMiB, backing: backing } : undefined;
      },
      makeOverlay: async (path, _base, sizeMiB) => {
        await writeAtomic(path, "a system disk");
        this.systemDisks++;
        this.#overlays.set(path, { sizeMiB, filesystemMiB: sizeMiB, system: newSystem() });
      },
      growOverlay: async (path, sizeMiB) => {
        await this.#effects.step("host grow the system disk");
        this.#overlays.get(path)!.sizeMiB = sizeMiB; // the next boot grows what is on it
      },
      readRaw: async (path): Promise<RawDisk | undefined> => {
        const raw = await this.#look(() => this.#raws.get(path));
        if (!raw || !await exists(path)) return undefined;
        return { sizeMiB: raw.sizeMiB, filesystemMiB: raw.filesystemMiB, uuid: raw.uuid };
      },
      makeRaw: async (path, { sizeMiB, uuid }) => {
        await writeAtomic(path, "a raw disk");
        this.#raws.set(path, { sizeMiB, filesystemMiB: sizeMiB, uuid, tree: new Tree() });
      },
      growRaw: async (path, sizeMiB) => {
        await this.#effects.step(`host grow ${nameOf(path)}`);
        this.#raws.get(path)!.sizeMiB = sizeMiB;
        await this.#effects.step(`host grow what is on ${nameOf(path)}`);
        this.#raws.get(path)!.filesystemMiB = sizeMiB;
      },
      remove: async (path) => {
        if (this.#raws.has(path) && await exists(path)) this.lostDisks++;
        await removeIfPresent(path);
      },
      exists: async (path) => {
        await this.#effects.look();
        return await exists(path);
      },
    };
  }

  async #look<T>(see: () => T): Promise<T> {
    await this.#effects.look();
    return see();
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
