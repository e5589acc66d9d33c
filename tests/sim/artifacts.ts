import type { Release } from "../../lib/artifacts/catalogue.ts";
import { UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import type { ArtifactStore } from "../../lib/resources/platform.ts";
import type { Effects } from "./effects.ts";

/** Paths of files that are nowhere but in their own path. */
const SCHEME = "sim:";

/** The content of a file of the simulated cache. */
export function simContent(path: string): string {
  return path.slice(SCHEME.length);
}

/** A mirror and a cache in memory. */
export class SimArtifacts {
  readonly #effects: Effects;
  readonly #fetched = new Set<string>();
  /** Why nothing can be had; nothing when it can. */
  failure: string | undefined;
  readonly store: ArtifactStore;

  constructor(effects: Effects) {
    this.#effects = effects;
    this.store = {
      fetch: async (release) => {
        if (!this.#fetched.has(release.path)) {
          if (this.failure !== undefined) throw new UserError(this.failure);
          await this.#effects.step(`host fetch ${release.fileName}`);
          this.#fetched.add(release.path);
        }
        return { release, path: `${SCHEME}${release.path}`, ...cachedPart(release) };
      },
      unpack: async (archive, names) => {
        await this.#effects.look();
        const members = names.map((name) => {
          const content = `${name} of ${simContent(archive)}`;
          const digest = sha256(content);
          return { name, path: `${SCHEME}${content}`, sizeBytes: content.length, digest };
        });
        return { members, [Symbol.asyncDispose]: () => Promise.resolve() };
      },
    };
  }
}

function cachedPart(release: Release) {
  return { digest: sha256(release.path), sizeBytes: 1, checksums: "", wasCached: true };
}
