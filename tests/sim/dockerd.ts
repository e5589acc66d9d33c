import type { Json } from "../../lib/config/types.ts";
import type { View } from "./tree.ts";

type Config = Readonly<Record<string, Json>>;

const FILE = "/etc/docker/daemon.json";

/** What a reload takes over, if the file says it, and what a key means that nobody has said (dockerd(8)). */
const RELOADED: Config = {
  "allow-nondistributable-artifacts": [],
  "debug": false,
  "default-runtime": "runc",
  "insecure-registries": [],
  "labels": [],
  "live-restore": false,
  "max-concurrent-downloads": 3,
  "max-concurrent-uploads": 5,
  "max-download-attempts": 5,
  "registry-mirrors": [],
  "runtimes": {},
  "shutdown-timeout": 15,
};

/** Keys that only a start takes over. */
const STARTED = [
  "bip",
  "data-root",
  "default-address-pools",
  "dns",
  "features",
  "host-gateway-ip",
  "log-driver",
  "log-level",
  "log-opts",
  "proxies",
  "storage-driver",
  "userns-remap",
];

/** dockerd of the simulated guest: what it has read, and when. */
export class Dockerd {
  readonly #view: View;
  #inForce: Config = {};
  #starts = 0;
  #events: { readonly atMs: number; readonly attributes: Readonly<Record<string, string>> }[] = [];

  constructor(view: View) {
    this.#view = view;
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts;
  }

  /** What it does now, whatever stands in the file. */
  get inForce(): Config {
    return { ...RELOADED, ...this.#inForce };
  }

  /** Why it does not start; `undefined` when it does. */
  start(): string | undefined {
    const config = this.read();
    if (typeof config === "string") return config;
    this.#inForce = config;
    this.#starts++;
    this.#events = [];
    return undefined;
  }

  /** On SIGHUP: refuses a bad file without a word, and keeps what a removed key had set. */
  reload(nowMs: number): void {
    const config = this.read();
    if (typeof config === "string") return;
    const taken = Object.entries(config).filter(([key]) => key in RELOADED);
    this.#inForce = { ...this.#inForce, ...Object.fromEntries(taken) };
    const attributes = Object.entries(this.inForce).filter(([key]) => key in RELOADED)
      .map(([key, value]): [string, string] => [key, attributeOf(key, value)]);
    this.#events.push({ atMs: nowMs, attributes: Object.fromEntries(attributes) });
  }

  /** A configuration, or what is wrong with it. */
  read(path = FILE): Config | string {
    const file = this.#view.follow(path);
    if (file?.kind !== "file") return {};
    try {
      const config = JSON.parse(file.content) as Config;
      const strange = Object.keys(config).find((key) => !(key in RELOADED) && !STARTED.includes(key));
      return strange === undefined ? config : `the following directives don't match any option: ${strange}`;
    } catch {
      return "invalid character in daemon.json";
    }
  }

  /** Its answer to a path of its API. */
  answer(path: string, containers: readonly string[]): { readonly status: number; readonly body: string } {
    if (path === "/_ping") return { status: 200, body: "OK" };
    if (path === "/containers/json") {
      return { status: 200, body: JSON.stringify(containers.map((name) => ({ Names: [`/${name}`] }))) };
    }
    if (path === "/info") {
      const DockerRootDir = this.inForce["data-root"] ?? "/var/lib/docker";
      return {
        status: 200,
        body: JSON.stringify({ Images: 2, Containers: containers.length, DockerRootDir }),
      };
    }
    const query = new URL(path, "http://docker").searchParams;
    const [since, until] = [Number(query.get("since")) * 1000, Number(query.get("until")) * 1000];
    const lines = this.#events.filter(({ atMs }) => atMs >= since && atMs <= until)
      .map(({ attributes }) =>
        JSON.stringify({ Type: "daemon", Action: "reload", Actor: { Attributes: attributes } })
      );
    return { status: 200, body: lines.join("\n") };
  }
}

/** How a reload event writes a value (moby's daemon/reload.go). */
function attributeOf(key: string, value: Json): string {
  if (key === "runtimes") return Object.keys(value ?? {}).map((name) => `${name}:{}`).join(" ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
