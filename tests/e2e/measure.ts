import assert from "node:assert/strict";
import { waitFor } from "../../lib/host/clock.ts";
import type { Effect } from "../../lib/plan/types.ts";
import type { Draft } from "./change_row.ts";
import { importBusybox } from "./container_image.ts";
import type { Sandbox } from "./sandbox.ts";

const MARKER = ".machine-test";
const CONTAINER = "web";

/** The service of each engine. */
const DAEMONS = { docker: "docker", containerd: "containerd", none: undefined } as const;

/** Containerd's container needs no image: its root is the guest's own. */
const START_TASK = [
  `mkdir -p /run/${CONTAINER}`,
  `mountpoint -q /run/${CONTAINER} || mount --bind / /run/${CONTAINER}`,
  `ctr run -d --net-host --rootfs /run/${CONTAINER} ${CONTAINER} /bin/sleep 1000000`,
].join("\n");

/** What runs and what is kept in a machine at a moment: two of them tell what was interrupted between. */
export interface Situation {
  readonly bootId: string;
  /** The daemon that the containers belong to, with systemd's id of its run. */
  readonly engine: string;
  /** When the container was started. */
  readonly container: string;
  /** Whether the process of the guest's user still runs. */
  readonly process: boolean;
  /** Whether the system disk still is the one that was marked. */
  readonly system: boolean;
  /** Names of the disks that hold their mark. */
  readonly disks: readonly string[];
}

/** What a change did to a machine, and the effect that stands for it. */
export interface Interruption {
  readonly effect: Effect;
  readonly what: string;
}

/** Marks disks of one machine, lets programs run in it, and looks what became of them. */
export class Probe {
  readonly #sandbox: Sandbox;
  #pid = 0;
  #last: Situation | undefined;
  /** Disks that hold a mark, in the machine or on a shelf. */
  readonly #marked = new Set<string>();

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Puts marks and programs where there are none, and says how it is then. */
  async prepare(draft: Draft): Promise<Situation> {
    const places = placesOf(draft);
    const last = this.#last;
    if (
      last?.process && last.system && (last.container !== "gone" || draft.runtime.engine === "none") &&
      places.every(({ name }) => last.disks.includes(name))
    ) return last;
    await this.#startContainer(draft);
    const { user } = draft;
    const marks = places.map(({ folder }) => `${folder}/${MARKER}`);
    const who = `--reuid=${user.name} --regid=${user.name} --init-groups`;
    const out = await this.#sandbox.inGuest(
      draft.name,
      [
        `touch /opt/${MARKER} ${marks.join(" ")}; sync`,
        `if ! { [ ${this.#pid} != 0 ] && kill -0 ${this.#pid}; } 2>/dev/null; then`,
        `setsid setpriv ${who} sleep 1000000 </dev/null >/dev/null 2>&1 & echo $!; else echo ${this.#pid}; fi`,
      ].join("\n"),
    );
    this.#pid = Number(out);
    for (const { name } of places) this.#marked.add(name);
    return await this.look(draft);
  }

  /** Says how it is now. */
  async look(draft: Draft): Promise<Situation> {
    const daemon = DAEMONS[draft.runtime.engine];
    const script = [
      'echo "boot $(cat /proc/sys/kernel/random/boot_id)"',
      ...daemon === undefined
        ? []
        : [`echo "engine ${daemon}=$(systemctl show -p InvocationID --value ${daemon}.service)"`],
      `[ "$(cat /proc/${this.#pid}/comm 2>/dev/null)" != sleep ] || echo process yes`,
      `[ ! -e /opt/${MARKER} ] || echo system yes`,
      ...placesOf(draft).map(({ name, folder }) => `[ ! -e ${folder}/${MARKER} ] || echo disk ${name}`),
      ":",
    ];
    const rows = (await this.#sandbox.inGuest(draft.name, script.join("\n"))).split("\n").map((row) =>
      row.split(" ")
    );
    const valueOf = (name: string) => rows.find(([key]) => key === name)?.[1];
    return this.#last = {
      bootId: valueOf("boot")!,
      engine: valueOf("engine") ?? "none",
      container: await this.#container(draft) ?? "gone",
      process: valueOf("process") !== undefined,
      system: valueOf("system") !== undefined,
      disks: rows.filter(([key]) => key === "disk").map(([, name]) => name!),
    };
  }

  /** What was interrupted between two moments, the later one with this file. */
  compare(before: Situation, after: Situation, draft: Draft): Interruption {
    const wanted = [
      ...placesOf(draft).map(({ name }) => name),
      ...draft.vm.dataDisk === "none" ? ["data"] : [],
    ];
    const lost = [...this.#marked].filter((name) => wanted.includes(name) && !after.disks.includes(name));
    for (const name of lost) this.#marked.delete(name);
    // What was not there was not interrupted.
    const [daemon] = before.engine.split("=") as [string];
    const programs = [
      ...before.engine === after.engine || daemon === "none" ? [] : [daemon],
      ...before.container === after.container || before.container === "gone" ? [] : ["containers"],
      ...after.process ? [] : ["the user's processes"],
    ];
    if (lost.length > 0) {
      return {
        effect: "data-loss",
        what: lost.map((name) => `what was on the disk "${name}"`).join(", "),
      };
    }
    if (!after.system) return { effect: "recreate", what: "the guest; its system disk is another one" };
    if (before.bootId !== after.bootId) return { effect: "restart", what: "the guest" };
    if (programs.length > 0) return { effect: "service", what: programs.join(", ") };
    return { effect: "live", what: "nothing" };
  }

  async #startContainer(draft: Draft): Promise<void> {
    if (draft.runtime.engine === "none" || await this.#started(draft) !== undefined) return;
    if (draft.runtime.engine === "containerd") {
      await this.#sandbox.inGuest(draft.name, START_TASK);
      return;
    }
    await importBusybox(this.#sandbox, this.#host);
    const words = ["--restart", "always", "--network", "none", "--stop-signal", "KILL", "--name", CONTAINER];
    await this.#sandbox.docker(["run", "-d", ...words, "bb", "sleep", "1000000"], this.#host);
  }

  /** When the container was started, once it runs; `undefined` when there is none. */
  async #container(draft: Draft): Promise<string | undefined> {
    const state = await this.#started(draft);
    if (state === undefined) return undefined;
    // It comes back a moment after dockerd.
    const running = await waitFor(async () => {
      const [started, isRunning] = (await this.#started(draft))?.split(" ") ?? [];
      return isRunning === "true" ? started : undefined;
    }, { timeoutMs: 60_000 });
    assert.ok(running, `the container does not come back: ${await this.#started(draft)}`);
    return running;
  }

  async #started({ name, runtime }: Draft): Promise<string | undefined> {
    if (runtime.engine === "none") return undefined;
    if (runtime.engine === "containerd") {
      // The process itself: its id, and when it was started (proc(5), field 22 of stat).
      const script = `pid=$(ctr task ls | awk '$1 == "${CONTAINER}" { print $2 }')\n` +
        `[ -z "$pid" ] || echo "$pid-$(cut -d' ' -f22 /proc/$pid/stat) true"`;
      return await this.#sandbox.inGuest(name, script) || undefined;
    }
    const format = "{{.State.StartedAt}} {{.State.Running}}";
    const { code, out } = await this.#sandbox.run(
      ["docker", "inspect", "--format", format, CONTAINER],
      this.#host,
    );
    return code === 0 ? out.trim() : undefined;
  }

  /** The machine's own socket, whatever becomes of the context. */
  get #host() {
    return { env: { DOCKER_HOST: `unix://${this.#sandbox.folder("dev").dockerSocket}` } };
  }
}

/** Where disks that hold data are in the guest. */
function placesOf({ vm }: Draft): readonly { readonly name: string; readonly folder: string }[] {
  return [
    ...vm.dataDisk === "none" ? [] : [{ name: "data", folder: "/home" }],
    ...vm.disks.map(({ name, target }) => ({ name, folder: target })),
  ];
}
