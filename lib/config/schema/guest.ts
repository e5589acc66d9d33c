import { z } from "zod";
import { keysOf } from "./field.ts";
import { mapOf, text, word } from "./values.ts";
import { NAME, NAME_RULE } from "./vm.ts";

const key = keysOf({ effect: "live", support: "yes" });
const later = keysOf({ effect: "live", support: "later" });

/** Login names as Debian's adduser accepts them (NAME_REGEX of adduser.conf(5)). */
export const USER_NAME = /^[a-z][-a-z0-9_]{0,31}$/;

/** `user`: who `shell` and `exec` are in the guest. */
export const userBlock = z.strictObject({
  name: key(
    text(USER_NAME, "a login name of lower-case letters, digits, - and _").optional(),
    "The login name; the home folder is /home/NAME.guest",
    // Another name is another login: the former one goes, and what it runs with it.
    { effect: "service", defaultNote: 'your own, or "machine" when that is root or taken' },
  ),
  uid: key(z.int().min(500).max(60000).optional(), "The number of the user", {
    effect: "service",
    defaultNote: "your own when it is at least 500, else 1000",
  }),
  shell: key(text(/^\/[^\s:]+$/, "an absolute path").default("/bin/bash"), "The login shell"),
  sudo: key(z.boolean().default(true), "Lets the user become root without a password"),
});

/** `packages`: from Debian's own repositories and from others. */
export const packagesBlock = z.strictObject({
  install: key(z.array(word()).default([]), "Packages to have", { merge: "unite" }),
  repositories: later(
    z.array(z.strictObject({
      name: later(text(NAME, NAME_RULE), "Names the repository's files in the guest"),
      uri: later(z.url({ protocol: /^https?$/ }), "Where it is"),
      suites: later(z.array(word()).min(1), "Its suites, e.g. trixie"),
      components: later(z.array(word()).optional(), "Its components, e.g. main"),
      key: later(word(), "The file with its public key, on the host"),
    })).optional(),
    "Further apt repositories",
    { identity: ["name"] },
  ),
});

/** `files`: files of the guest. */
const filesList = z.array(
  z.strictObject({
    path: key(word(), "Where the file is in the guest"),
    content: key(z.string().optional(), "Its content", { insteadOf: ["source"] }),
    source: key(
      word().optional(),
      "The file on the host to copy instead, at most 16MiB; ~ is your home folder, other paths are relative to this file",
      { insteadOf: ["content"] },
    ),
    owner: key(
      text(/^[^\s:]+:[^\s:]+$/, 'a user and a group, e.g. "root:root"').default("root:root"),
      "Its user and group",
    ),
    mode: key(text(/^0?[0-7]{3,4}$/, 'octal digits in quotes, e.g. "0644"').default("0644"), "Its mode"),
  }).refine((file) => (file.content === undefined) !== (file.source === undefined), {
    error: 'Must have either "content" or "source"',
    params: { isIncomplete: true },
  }),
);

/** `provision`: own commands, run when they are needed. */
const provisionList = z.array(z.strictObject({
  name: key(text(NAME, NAME_RULE), "Names the step"),
  run: key(word(), "The commands, for /bin/sh"),
  check: key(word().optional(), "Succeeds when nothing needs to be done"),
  as: key(z.enum(["user", "root"]).default("root"), "Who runs it"),
  when: key(
    z.enum(["changed", "always"]).default("changed"),
    "Without a check: changed, when the step is new or edited; always, at every apply",
  ),
}));

/** The guest's keys that stand at the top of the file. */
export const guestKeys = {
  user: key(userBlock.prefault({}), "Who you are in the guest"),
  timezone: key(
    word().default("host"),
    "The time zone, e.g. Europe/Berlin; host follows this computer",
  ),
  locale: later(word().default("C.UTF-8").optional(), "The locale"),
  env: key(
    mapOf(z.string()).default({}),
    "Environment variables of every login: ssh, shell, exec, su and provision; not of services",
  ),
  packages: key(packagesBlock.prefault({}), "Debian packages"),
  files: key(filesList.default([]), "Files in the guest", { identity: ["path"] }),
  sysctl: key(mapOf(z.union([z.int(), z.string()])).default({}), "Kernel parameters by their dotted names"),
  modules: key(z.array(word()).default([]), "Kernel modules to load", { merge: "unite" }),
  binfmt: later(z.array(word()).optional(), "Foreign architectures whose programs run by emulation", {
    merge: "unite",
  }),
  provision: key(provisionList.default([]), "Own commands, run in this order when they are needed", {
    identity: ["name"],
  }),
};
