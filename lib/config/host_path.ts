import { join, normalize, resolve } from "node:path";

/** Makes paths of the host absolute. */
export interface HostPaths {
  /** `~` is the home folder; a relative path starts at the folder of the file that says it. */
  readonly resolve: (path: string, file: string) => string;
}

/**
 * Resolves paths that several files say.
 * @param folders the folder of each file, by the file's name in positions
 */
export function hostPaths(home: string, folders: ReadonlyMap<string, string>): HostPaths {
  return {
    resolve(path, file) {
      if (path === "~") return withoutEndSlash(normalize(home));
      if (path.startsWith("~/")) return withoutEndSlash(join(home, path.slice(2)));
      const folder = folders.get(file);
      if (folder === undefined) throw new Error(`Nobody has noted the folder of ${file}`);
      return resolve(folder, path);
    },
  };
}

/** `/src/` is `/src`. */
export function withoutEndSlash(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, "") || "/" : path;
}
