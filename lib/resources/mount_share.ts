import type { Mount } from "../config/types.ts";
import type { VmShare } from "../drivers/types.ts";
import { exists, sha256 } from "../host/files.ts";

/** The 9p share of a mount. The tag says source, target and access, so a tag that fits is the right share. */
export function shareOf(mount: Mount): VmShare {
  const identity = [mount.source, mount.target, mount.writable ? "rw" : "ro"].join("\0");
  return { tag: `m${sha256(identity).slice(0, 15)}`, source: mount.source, writable: mount.writable };
}

/** The shares of those mounts whose source is there now: QEMU refuses to start with one that is not. */
export async function mountableShares(mounts: readonly Mount[]): Promise<VmShare[]> {
  const there = await Promise.all(mounts.map((mount) => exists(mount.source)));
  return mounts.filter((_, index) => there[index]).map(shareOf);
}
