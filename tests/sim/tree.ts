/** What stands at a path of a simulated filesystem. */
export type Entry =
  | { readonly kind: "folder"; readonly mode: string; readonly owner: string }
  | {
    readonly kind: "file";
    readonly content: string;
    readonly mode: string;
    readonly owner: string;
    readonly mtimeMs: number;
  }
  | { readonly kind: "link"; readonly to: string };

/** A filesystem by absolute paths; its own root is not among them. */
export class Tree {
  readonly entries: Map<string, Entry>;

  constructor(entries: Iterable<readonly [string, Entry]> = []) {
    this.entries = new Map(entries);
  }

  clone(): Tree {
    return new Tree(this.entries);
  }

  has(path: string): boolean {
    return path === "" || path === "/" || this.entries.has(path);
  }

  isEmpty(folder: string): boolean {
    for (const path of this.entries.keys()) if (path.startsWith(`${folder}/`)) return false;
    return true;
  }
}

/** A filesystem that shows at a folder. */
export interface Mounted {
  readonly target: string;
  readonly tree: Tree;
  /** The folder of the filesystem that shows there; empty for its root. */
  readonly root: string;
  readonly type: string;
  readonly source: string;
  readonly writable: boolean;
}

/** The tree of folders that the guest sees: its system disk, and what is mounted over it. */
export class View {
  /** What is on the system disk. */
  readonly root: Tree;
  mounts: Mounted[] = [];

  constructor(root: Tree) {
    this.root = root;
  }

  get(path: string): Entry | undefined {
    const { tree, inner } = this.#place(path);
    if (inner === "" || inner === "/") return { kind: "folder", mode: "755", owner: "root:root" };
    return tree.entries.get(inner);
  }

  /** What a link, or several, lead to. */
  follow(path: string): Entry | undefined {
    let entry = this.get(path);
    for (let links = 0; entry?.kind === "link"; links++) {
      if (links > 8) return undefined;
      entry = this.get(entry.to);
    }
    return entry;
  }

  isFolder(path: string): boolean {
    return this.follow(path)?.kind === "folder";
  }

  set(path: string, entry: Entry): void {
    const { tree, inner } = this.#place(path);
    tree.entries.set(inner, entry);
  }

  delete(path: string): void {
    const { tree, inner } = this.#place(path);
    tree.entries.delete(inner);
  }

  /** Paths below a folder, not through what is mounted there. */
  below(folder: string): string[] {
    const { tree, inner } = this.#place(`${folder}/x`);
    const base = inner.slice(0, -2);
    return [...tree.entries.keys()].filter((path) => path.startsWith(`${base}/`))
      .map((path) => `${folder}${path.slice(base.length)}`);
  }

  isEmpty(folder: string): boolean {
    return this.below(folder).length === 0 &&
      !this.mounts.some(({ target }) => target === folder || target.startsWith(`${folder}/`));
  }

  /** Makes a folder and those above it. */
  makeFolders(path: string, mode = "755", owner = "root:root"): void {
    const parts = path.split("/").slice(1);
    for (let length = 1; length <= parts.length; length++) {
      const folder = `/${parts.slice(0, length).join("/")}`;
      if (!this.isFolder(folder)) this.set(folder, { kind: "folder", mode, owner });
    }
  }

  #place(path: string): { readonly tree: Tree; readonly inner: string } {
    for (let index = this.mounts.length - 1; index >= 0; index--) {
      const { target, tree, root } = this.mounts[index]!;
      if (path === target || path.startsWith(`${target}/`)) {
        return { tree, inner: `${root}${path.slice(target.length)}` };
      }
    }
    return { tree: this.root, inner: path };
  }
}
