import { PACKAGES } from "./base_image.ts";
import type { View } from "./tree.ts";

/** The guest's packages, and apt's way of coming and going. */
export class Apt {
  /** Installed ones; `true`: because another one needs it. */
  readonly #packages: Map<string, boolean>;
  readonly #view: View;

  constructor(packages: Map<string, boolean>, view: View) {
    this.#packages = packages;
    this.#view = view;
  }

  version(name: string): string | undefined {
    return this.#packages.has(name) ? "1.0-1" : undefined;
  }

  /** The installed ones, with a mark behind those that only another one needs. */
  installed(): string[] {
    return [...this.#packages].map(([name, isAutomatic]) => `${name}${isAutomatic ? " (auto)" : ""}`).sort();
  }

  names(): string[] {
    return [...this.#packages.keys()];
  }

  /** The names that no repository has. */
  unknown(names: readonly string[]): string[] {
    return names.filter((name) => !(name in PACKAGES));
  }

  install(name: string, mtimeMs: number): void {
    for (const needed of needs(name)) {
      if (!this.#packages.has(needed)) this.#unpack(needed, mtimeMs);
    }
    this.#packages.set(name, false);
  }

  markAutomatic(names: readonly string[]): void {
    for (const name of names) if (this.#packages.has(name)) this.#packages.set(name, true);
  }

  purge(name: string): void {
    this.#packages.delete(name);
    for (const path of Object.keys(PACKAGES[name]?.files ?? {})) {
      this.#view.delete(path);
      const folder = path.slice(0, path.lastIndexOf("/"));
      if (FOLDERS_OF_PACKAGES.has(folder) && this.#view.isEmpty(folder)) this.#view.delete(folder);
    }
  }

  #unpack(name: string, mtimeMs: number): void {
    this.#packages.set(name, true);
    for (const [path, content] of Object.entries(PACKAGES[name]!.files ?? {})) {
      this.#view.makeFolders(path.slice(0, path.lastIndexOf("/")));
      this.#view.set(path, { kind: "file", content, mode: "644", owner: "root:root", mtimeMs });
    }
  }

  /** Automatic ones that nothing needs. */
  superfluous(): string[] {
    const manual = [...this.#packages].flatMap(([name, isAutomatic]) => isAutomatic ? [] : [name]);
    const needed = new Set(manual.flatMap(needs));
    return [...this.#packages.keys()].filter((name) => !needed.has(name));
  }
}

const FOLDERS_OF_PACKAGES = new Set(["/etc/vim", "/etc/zsh", "/usr/lib/cni"]);

/** A package and everything that it needs, that first. */
function needs(name: string): string[] {
  return [...(PACKAGES[name]?.depends ?? []).flatMap(needs), name];
}
