import type { GuestLogin } from "../../lib/guest/ops.ts";
import type { View } from "./tree.ts";

const PASSWD = "/etc/passwd";
const GROUP = "/etc/group";

/** The guest's logins and groups, in their own files (passwd(5), group(5)). */
export class Logins {
  readonly #view: View;

  constructor(view: View) {
    this.#view = view;
  }

  has(name: string): boolean {
    return this.#rows(PASSWD).some(([login]) => login === name);
  }

  hasGroup(name: string): boolean {
    return this.#rows(GROUP).some(([group]) => group === name);
  }

  /** Makes a login with a group of its own, or brings one of that name to this. */
  set({ name, uid, shell, home }: GuestLogin): void {
    this.#replace(PASSWD, [name, "x", String(uid), String(uid), "", home, shell]);
    const members = this.#rows(GROUP).find(([group]) => group === name)?.[3] ?? "";
    this.#replace(GROUP, [name, "x", String(uid), members]);
    this.#view.makeFolders(home, "755", `${name}:${name}`);
  }

  /** As userdel(8) does: its own group goes, and it is in no group any more. */
  remove(name: string): void {
    this.#write(PASSWD, this.#rows(PASSWD).filter(([login]) => login !== name));
    const groups = this.#rows(GROUP).filter(([group]) => group !== name);
    this.#write(
      GROUP,
      groups.map(([group = "", x = "", gid = "", members = ""]) => [
        group,
        x,
        gid,
        members.split(",").filter((member) => member !== name).join(","),
      ]),
    );
  }

  join(user: string, group: string): void {
    const rows = this.#rows(GROUP).map((row) => {
      if (row[0] !== group) return row;
      const members = new Set((row[3] ?? "").split(",").filter((member) => member !== ""));
      return [...row.slice(0, 3), [...members.add(user)].sort().join(",")];
    });
    this.#write(GROUP, rows);
  }

  isIn(user: string, group: string): boolean {
    const members = this.#rows(GROUP).find(([name]) => name === group)?.[3] ?? "";
    return members.split(",").includes(user);
  }

  leave(user: string, group: string): void {
    const rows = this.#rows(GROUP).map((row) => {
      if (row[0] !== group) return row;
      return [...row.slice(0, 3), (row[3] ?? "").split(",").filter((member) => member !== user).join(",")];
    });
    this.#write(GROUP, rows);
  }

  #rows(path: string): string[][] {
    const file = this.#view.follow(path);
    if (file?.kind !== "file") return [];
    return file.content.split("\n").filter((line) => line !== "").map((line) => line.split(":"));
  }

  #replace(path: string, row: readonly string[]): void {
    const rows = this.#rows(path);
    const isKnown = rows.some(([name]) => name === row[0]);
    this.#write(path, isKnown ? rows.map((other) => other[0] === row[0] ? row : other) : [...rows, row]);
  }

  #write(path: string, rows: readonly (readonly string[])[]): void {
    const content = rows.map((row) => `${row.join(":")}\n`).join("");
    this.#view.set(path, { kind: "file", content, mode: "644", owner: "root:root", mtimeMs: 0 });
  }
}
