import type { OwnedOp } from "./owned.ts";

/** What the guest has mounted (proc_pid_mountinfo(5)). */
export const MOUNTINFO = "/proc/self/mountinfo";

/** The uppermost mount at a path (proc_pid_mountinfo(5): fields 5, 6, and type and source after " - "). */
export function mountAt(
  mountinfo: string,
  target: string,
): { readonly type: string; readonly source: string; readonly writable: boolean } | undefined {
  const encoded = target.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  let found;
  for (const line of mountinfo.split("\n")) {
    const fields = line.split(" ");
    const separator = fields.indexOf("-");
    if (fields[4] !== encoded || separator < 0) continue;
    const superOptions = fields[separator + 3]?.split(",") ?? [];
    found = {
      type: fields[separator + 1]!,
      source: fields[separator + 2]!,
      writable: !fields[5]!.split(",").includes("ro") && !superOptions.includes("ro"),
    };
  }
  return found;
}

/** systemd's name of the unit that mounts a path (systemd-escape(1), --path). */
export function unitName(target: string): string {
  const bytes = new TextEncoder().encode(target.replace(/^\/+|\/+$/g, ""));
  let name = "";
  for (const [index, byte] of bytes.entries()) {
    const char = String.fromCharCode(byte);
    if (char === "/") name += "-";
    else if (/[A-Za-z0-9:_]/.test(char) || char === "." && index > 0) name += char;
    else name += `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `${name}.mount`;
}

/** Where the unit of a mount lies. */
export function unitPath(target: string): string {
  return `/etc/systemd/system/${unitName(target)}`;
}

/** Puts a mount's unit in its place, enables it, and mounts: anew with `restart`, where it is not mounted with `start`. */
export function mountOps(target: string, text: string, verb: "start" | "restart"): readonly OwnedOp[] {
  const unit = unitName(target);
  return [
    { op: "own", file: { path: unitPath(target), content: text, mode: "0644" } },
    { op: "make-folder", path: target, remember: true },
    { op: "systemctl", args: ["enable", "-q", "--no-reload", unit] },
    { op: "systemctl", args: ["daemon-reload"] },
    { op: "systemctl", args: [verb, unit], journal: unit },
  ];
}

/** Unmounts, and takes away the unit, and the folder if it was made for the mount. */
export function unmountOps(target: string): readonly OwnedOp[] {
  return [
    { op: "retire-unit", unit: unitName(target) },
    { op: "disown", path: unitPath(target) },
    { op: "systemctl", args: ["daemon-reload"] },
    { op: "remove-folder", path: target },
  ];
}
