import { z } from "zod";
import { keysOf } from "./field.ts";
import { mapOf, text, word } from "./values.ts";
import { NAME, NAME_RULE } from "./vm.ts";

const key = keysOf({ effect: "live", support: "later" });
const step = keysOf({ effect: "live", support: "later" });

/** Login names as Debian's adduser accepts them (NAME_REGEX of adduser.conf(5)). */
export const USER_NAME = /^[a-z][-a-z0-9_]{0,31}$/;

/** `user`: who `shell` and `exec` are in the guest. */
export const userBlock = z.strictObject({
  name: key(
    text(USER_NAME, "a login name of lower-case letters, digits, - and _").optional(),
    "The login name",
    {
      defaultNote: 'your own, or "machine" when that is root or taken',
    },
  ),
  uid: key(z.int().min(500).max(60000).optional(), "The number of the user", {
    effect: "service",
    defaultNote: "your own when it is at least 500, else 1000",
  }),
  shell: key(text(/^\//, "an absolute path").default("/bin/bash").optional(), "The login shell"),
  sudo: key(z.boolean().default(true).optional(), "Lets the user become root without a password"),
});

/** `packages`: from Debian's own repositories and from others. */
export const packagesBlock = z.strictObject({
  install: key(z.array(word()).optional(), "Packages to have", { merge: "unite" }),
  repositories: key(
    z.array(z.strictObject({
      name: key(text(NAME, NAME_RULE), "Names the repository's files in the guest"),
      uri: key(z.url({ protocol: /^https?$/ }), "Where it is"),
      suites: key(z.array(word()).min(1), "Its suites, e.g. trixie"),
      components: key(z.array(word()).optional(), "Its components, e.g. main"),
      key: key(word(), "The file with its public key, on the host"),
    })).optional(),
    "Further apt repositories",
    { identity: ["name"] },
  ),
});

/** `files`: files of the guest. */
export const filesList = z.array(
  z.strictObject({
    path: key(text(/^\//, "an absolute path"), "Where the file is in the guest"),
    content: key(z.string().optional(), "Its content"),
    source: key(word().optional(), "The file on the host to copy instead"),
    owner: key(word().default("root:root").optional(), "Its user and group"),
    mode: key(
      text(/^0?[0-7]{3,4}$/, 'octal digits in quotes, e.g. "0644"').default("0644").optional(),
      "Its mode",
    ),
  }).refine((file) => (file.content === undefined) !== (file.source === undefined), {
    error: 'Must have either "content" or "source"',
  }),
);

/** `provision`: own commands, run when they are needed. */
export const provisionList = z.array(z.strictObject({
  name: step(text(NAME, NAME_RULE), "Names the step"),
  run: step(word(), "The commands, for /bin/sh"),
  check: step(word().optional(), "Succeeds when nothing needs to be done"),
  as: step(z.enum(["user", "root"]).default("root").optional(), "Who runs it"),
  when: step(
    z.enum(["changed", "always"]).default("changed").optional(),
    "changed: when the step is new or edited; always: at every apply",
  ),
}));

/** The guest's keys that are no block: they stand at the top of the file. */
export const guestKeys = {
  timezone: key(
    word().default("host").optional(),
    "The time zone, e.g. Europe/Berlin; host follows this computer",
  ),
  locale: key(word().default("C.UTF-8").optional(), "The locale"),
  env: key(mapOf(z.string()).optional(), "Environment variables of every login and service of the user"),
  packages: key(packagesBlock.optional(), "Debian packages"),
  files: key(filesList.optional(), "Files in the guest", { identity: ["path"] }),
  sysctl: key(mapOf(z.union([z.int(), z.string()])).optional(), "Kernel parameters"),
  modules: key(z.array(word()).optional(), "Kernel modules to load", { merge: "unite" }),
  binfmt: key(z.array(word()).optional(), "Foreign architectures whose programs run by emulation", {
    merge: "unite",
  }),
};
