import type { Json } from "../../lib/config/types.ts";
import { type ConfigTree, CRI, isBad, parseConfig } from "../../lib/resources/containerd/config_tree.ts";
import type { View } from "./tree.ts";

const FILE = "/etc/containerd/config.toml";

/** A container of the simulated containerd. */
interface SimContainer {
  readonly namespace: string;
  readonly id: string;
  readonly name: string;
  running: boolean;
  /** What the label of its restart policy says, if it has one. */
  policy: "running" | "resting" | undefined;
}

/** containerd of the simulated guest: what it has read when it started, and what runs, with or without it. */
export class Containerd {
  readonly #view: View;
  #inForce: ConfigTree = {};
  #environment: readonly string[] = [];
  #starts = 0;
  readonly containers: SimContainer[] = [];

  constructor(view: View) {
    this.#view = view;
  }

  /** How often it was started. */
  get starts(): number {
    return this.#starts;
  }

  /** What it does now, whatever stands in the file. */
  get inForce(): { readonly config: ConfigTree; readonly environment: readonly string[] } {
    return { config: this.#inForce, environment: this.#environment };
  }

  /** Why it does not start with its unit; `undefined` when it does. Containers run on meanwhile. */
  start(unit: string): string | undefined {
    const config = this.read();
    if (typeof config === "string") return config;
    // Only its start finds this out (containerd's CreateTopLevelDirectories).
    if (config["root"] !== undefined && config["root"] === config["state"]) {
      return "containerd: root and state must be different paths";
    }
    this.#inForce = config;
    this.#environment = unit.split("\n").filter((line) => line.startsWith("Environment="));
    this.#starts++;
    return undefined;
  }

  /** A configuration, or what is wrong with it. */
  read(path = FILE): ConfigTree | string {
    const file = this.#view.follow(path);
    if (file?.kind !== "file") return {};
    const config = parseConfig(file.content);
    if (isBad(config)) return `containerd: failed to load TOML: ${config.problem}`;
    if (config["version"] !== 2) return `containerd: expected containerd config version \`2\``;
    const wrong = ["root", "state"].find((key) => key in config && typeof config[key] !== "string");
    return wrong === undefined ? config : `containerd: Can't convert ${config[wrong]} to string`;
  }

  /** Whether its CRI plugin is up. */
  hasCri(): boolean {
    const disabled: Json = this.#inForce["disabled_plugins"] ?? [];
    return Array.isArray(disabled) && !disabled.some((name) => name === CRI || name === "cri");
  }

  /** Runs a container, as a client does. */
  run(
    namespace: string,
    id: string,
    { name = "", policy }: Partial<Pick<SimContainer, "name" | "policy">> = {},
  ): void {
    this.containers.push({ namespace, id, name, running: true, policy });
  }

  /** As the operation `list-tasks` prints it. */
  list(): string {
    const namespaces = [...new Set(this.containers.map(({ namespace }) => namespace))].sort();
    const tasks = this.containers.filter(({ running }) => running);
    return [
      ...namespaces.map((namespace) => `namespace ${namespace}`),
      ...tasks.map(({ namespace, id, name }) => `task ${namespace} ${id} ${name}`.trimEnd()),
    ].join("\n");
  }

  /** As the operation `end-tasks` does it. */
  end(only: string | undefined, except: string | undefined): void {
    for (const container of this.containers) {
      if (only !== undefined && container.namespace !== only) continue;
      if (except !== undefined && container.namespace === except) continue;
      container.running = false;
      if (container.policy === "running") container.policy = "resting";
    }
  }

  /** As the operation `resume-tasks` does it; containerd's restart monitor does the rest. */
  resume(): void {
    for (const container of this.containers) {
      if (container.policy !== "resting") continue;
      container.policy = "running";
      container.running = true;
    }
  }
}
