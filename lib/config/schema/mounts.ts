import { z } from "zod";
import { keysOf } from "./field.ts";
import { mapOf, word } from "./values.ts";

// 9p: QEMU takes a folder to share only when it starts; what is shared can be mounted anew at any time.
const key = keysOf({ effect: { share: "restart", remount: "live" }, support: "yes" });
const later = keysOf({ effect: "live", support: "later" });

const mount = z.strictObject({
  source: key(word(), "The folder on the host; ~ is your home folder, other paths are relative to this file"),
  target: key(word().optional(), "The folder in the guest", { defaultNote: "the same path as the source" }),
  type: key(
    z.enum(["auto", "virtiofs", "9p", "sshfs"]).default("auto"),
    "How the folder gets into the guest; auto takes the best that works, for now 9p",
    { supported: ["auto", "9p"] },
  ),
  writable: key(z.boolean().default(false), "Lets the guest change the folder"),
  optional: key(z.boolean().default(false), "A missing source is then no error: the mount waits for it", {
    effect: "none",
  }),
  options: key(
    mapOf(z.union([z.string(), z.number(), z.boolean()])).default({}),
    "Options of the mount's type; of 9p: cache (none, readahead, mmap, loose) and msize (bytes)",
    { effect: "live" },
  ),
  inotify: later(
    z.boolean().default(false).optional(),
    "Tells programs in the guest of changes made on the host",
  ),
});

/** `mounts`: folders of the host in the guest. */
export const mountsList = key(
  z.array(mount).optional(),
  "Folders of the host in the guest; an empty list for none",
  {
    identity: ["target"],
    effect: { add: "restart", remove: "live", remount: "live" },
    defaultNote: "the home folder, read-only; none when root runs the command",
  },
);
