import { isTimezone } from "../host/timezone.ts";
import type { Declared } from "./declared.ts";
import type { PlaceOf } from "./check_mounts.ts";
import { type Finding, show } from "./finding.ts";
import { nearest } from "./nearest.ts";
import type { NormalForm } from "./normal.ts";
import { isTakenName } from "./user.ts";

/** Checks what the file says of the inside of the guest, apart from files and mounts. */
export function checkGuest(form: NormalForm, placeOf: PlaceOf): Finding[] {
  const { machine } = form;
  return [
    ...checkUser(machine.user.name),
    ...checkTimezone(machine.timezone),
    ...checkEnv(machine.env),
    ...form.declaredPackages.flatMap(checkPackage),
    ...checkSysctl(machine.sysctl),
    ...form.declaredModules.flatMap(checkModule),
    ...form.declaredSteps.flatMap(({ value, path }) => [
      ...checkCommand(value.run, [...path, "run"]),
      ...checkCommand(value.check ?? "", [...path, "check"]),
    ]),
    ...findTwice(form.declaredSteps, { key: "name", what: "step" }, placeOf),
  ];
}

/** Reports every entry whose key an earlier entry has too, and says where that one is. */
export function findTwice<K extends string>(
  entries: readonly Declared<Readonly<Record<K, string>>>[],
  { key, what }: { readonly key: K; readonly what: string },
  placeOf: PlaceOf,
): Finding[] {
  const first = new Map<string, Declared<unknown>>();
  return entries.flatMap((entry): Finding[] => {
    const value = entry.value[key];
    const other = first.get(value);
    if (!other) {
      first.set(value, entry);
      return [];
    }
    return [{
      path: [...entry.path, key],
      message: `"${value}" is also the ${key} of another ${what}, at ${placeOf(other.path)}`,
      remedy: `Give one of them another ${key}, or remove it`,
    }];
  });
}

function checkUser(name: string): Finding[] {
  if (!isTakenName(name)) return [];
  return [{
    path: ["user", "name"],
    message: `"${name}" is a user or group of Debian's own`,
    remedy: "Choose another name, or leave the key out",
  }];
}

/** Newer names of zones that the runtime's list has under their old ones. */
const NEWER_ZONES = ["UTC", "Etc/UTC", "Asia/Kolkata", "Europe/Kyiv", "Asia/Ho_Chi_Minh", "Asia/Kathmandu"];

function checkTimezone(name: string): Finding[] {
  const zones = [...Intl.supportedValuesOf("timeZone"), ...NEWER_ZONES];
  // The guest finds a zone as a file, by its exact name; each part of such a name begins with a capital letter
  const isExact = zones.includes(name) || /^[A-Z][^/]*(\/[A-Z][^/]*)*$/.test(name);
  const sameLetters = zones.find((zone) => zone.toLowerCase() === name.toLowerCase());
  if (isTimezone(name) && isExact && (sameLetters ?? name) === name) return [];
  const near = sameLetters ?? nearest(name, zones) ??
    zones.find((zone) => zone.toLowerCase().endsWith(`/${name.toLowerCase().replaceAll(/[ -]/g, "_")}`));
  return [{
    path: ["timezone"],
    message: `There is no time zone ${show(name)}`,
    remedy: near === undefined
      ? 'Write an IANA name such as Europe/Berlin, or "host"'
      : `Did you mean "${near}"?`,
  }];
}

function checkEnv(env: Readonly<Record<string, string>>): Finding[] {
  return Object.entries(env).flatMap(([name, value]): Finding[] => {
    const path = ["env", name];
    if (!/^[A-Za-z_]\w*$/.test(name)) {
      return [{
        path,
        at: "key",
        message: `${show(name)} is not a name of a variable`,
        remedy: "Use letters, digits and _, and no digit first",
      }];
    }
    if (/[\n\r\0]/.test(value)) {
      return [{
        path,
        message: "A variable holds one line, but this value has a line break or a NUL",
        remedy: 'Put the text into a file of the guest with "files", and its path here',
      }];
    }
    // Debian 13's pam_env cuts a value there, in quotes too; no other character is lost.
    if (!value.includes("#")) return [];
    return [{
      path,
      message: 'The guest would end this value at its "#": that begins a comment in /etc/environment',
      remedy: `Export it in a file of the guest, with "files": /etc/profile.d/${name.toLowerCase()}.sh`,
    }];
  });
}

/** Names of Debian packages (Debian Policy 5.6.1), and an architecture where one is meant. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]*[a-z0-9+.](:[a-z0-9-]+)?$/;

function checkPackage({ value, path }: Declared<string>): Finding[] {
  if (PACKAGE.test(value)) return [];
  const plain = value.split(/[=/\s]/)[0]!.toLowerCase().replaceAll("_", "-").replace(/[^a-z0-9]+$/, "");
  return [{
    path,
    message: `${show(value)} is not the name of a Debian package`,
    remedy: PACKAGE.test(plain)
      ? `Write "${plain}"`
      : "Use lower-case letters, digits, + - and ., with :arch behind it where another architecture is meant",
  }];
}

/** Parts of a parameter's name with dots between; a slash stands for a dot within one (sysctl.d(5)). */
const PARAMETER = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_:@/-]+)+$/;

function checkSysctl(sysctl: Readonly<Record<string, string>>): Finding[] {
  return Object.entries(sysctl).flatMap(([name, value]): Finding[] => {
    const path = ["sysctl", name];
    if (!PARAMETER.test(name) || name.endsWith("/")) {
      const dotted = name.replace(/^\/?(proc\/sys\/)?/, "").replaceAll("/", ".");
      return [{
        path,
        at: "key",
        message: `${show(name)} is not the name of a kernel parameter`,
        remedy: PARAMETER.test(dotted) ? `Write "${dotted}"` : "Write its dotted name, e.g. vm.max_map_count",
      }];
    }
    if (value !== "" && !/\p{Cc}/u.test(value)) return [];
    return [{
      path,
      message: value === "" ? "Must not be empty" : `${show(value)} holds a control character`,
      remedy: "Write the value as /proc/sys shows it",
    }];
  });
}

function checkModule({ value, path }: Declared<string>): Finding[] {
  if (/^[A-Za-z0-9_]+$/.test(value)) return [];
  return [{
    path,
    message: `${show(value)} is not the name of a kernel module`,
    remedy: "Write its name alone, as lsmod shows it, e.g. br_netfilter",
  }];
}

function checkCommand(text: string, path: Finding["path"]): Finding[] {
  if (!text.includes("\0")) return [];
  return [{ path, message: "A shell cannot read a NUL", remedy: 'Remove "\\0" from the text' }];
}
