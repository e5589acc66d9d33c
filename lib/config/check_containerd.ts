import type { Finding } from "./finding.ts";
import type { Path } from "./path.ts";
import type { Json, Machine } from "./types.ts";

const CRI = "io.containerd.grpc.v1.cri";

/** Keys of config.toml that are not for the file to say, with what is to be done instead. */
const NOT_YOURS: readonly {
  readonly keys: readonly string[];
  readonly message: string;
  readonly remedy: string;
}[] = [
  {
    keys: ["version"],
    message: '"version" is the format of the distribution\'s config.toml, which this is merged into',
    remedy: "Remove it; the keys here are those of version 2, containerd 1.7's",
  },
  {
    keys: ["grpc", "address"],
    message:
      '"address" would hide containerd from its clients: they look for it at /run/containerd/containerd.sock',
    remedy: "Remove it; the machine offers that socket on this computer",
  },
  ...["mirrors", "config_path"].map((key) => ({
    keys: ["plugins", CRI, "registry", key],
    message: `"${key}" is set by the machine, for every client of containerd`,
    remedy: "Remove it, and write the mirrors at runtime.registries",
  })),
];

/** Checks containerd's configuration, whether it is the engine now or rests. */
export function checkContainerd({ runtime }: Machine): Finding[] {
  const { config } = runtime.containerd;
  const at: Path = ["runtime", "containerd", "config"];
  return [
    ...NOT_YOURS.filter(({ keys }) => valueAt(config, keys) !== undefined)
      .map(({ keys, message, remedy }): Finding => ({ path: [...at, ...keys], at: "key", message, remedy })),
    ...nullsIn(config, at).map((path): Finding => ({
      path,
      message: "TOML, the format of containerd's configuration, has no null",
      remedy: "Remove the key, or give it a value",
    })),
  ];
}

function valueAt(tree: Json, keys: readonly string[]): Json | undefined {
  return keys.reduce<Json | undefined>((part, key) => isTable(part) ? part[key] : undefined, tree);
}

/** Where a tree says null. */
function nullsIn(value: Json, path: Path): Path[] {
  if (value === null) return [path];
  if (Array.isArray(value)) {
    return (value as readonly Json[]).flatMap((part, index) => nullsIn(part, [...path, index]));
  }
  return isTable(value) ? Object.entries(value).flatMap(([key, part]) => nullsIn(part, [...path, key])) : [];
}

function isTable(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
