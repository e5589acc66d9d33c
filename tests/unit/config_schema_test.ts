import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { z } from "zod";
import { parse } from "yaml";
import { machineJsonSchema, renderMachineSchema } from "../../lib/config/json_schema.ts";
import { machineFile } from "../../lib/config/schema/machine.ts";
import { listFields } from "../../lib/config/schema/walk.ts";
import { LEAF, ROOT } from "./certificates_fixture.ts";
import { loadMachine, makeTestHost } from "./config_fixture.ts";

/** What the full file names beside itself. */
const PEM_FILES = {
  "corp-ca.pem": ROOT,
  "client.pem": LEAF,
  "client.key": generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
    .export({ type: "pkcs8", format: "pem" }).toString(),
};

const FULL = new URL("./fixtures/full.yaml", import.meta.url);
const PROFILES = new URL("../../profiles/", import.meta.url);

/** The JSON Schema as a validator of its own, made from the schema's text and nothing else. */
function validator() {
  return z.fromJSONSchema(JSON.parse(renderMachineSchema()));
}

Deno.test("machineFile accepts every key of the format", async () => {
  const result = machineFile.safeParse(parse(await Deno.readTextFile(FULL)));
  assert.deepEqual(result.error?.issues ?? [], []);
});

Deno.test("the full file names every key that the schema has", async () => {
  const file: unknown = parse(await Deno.readTextFile(FULL));
  // Keys of the forms that exclude the one that the file shows
  const others = ["vm.image.url", "vm.image.digest", "vm.image.path", "vm.image.kernel", "vm.image.initrd"];
  const missing = listFields().map((field) => field.path).filter((path) => !hasKey(file, path));
  const interfaces = ["network.interfaces[].name", "network.interfaces[].type"];
  assert.deepEqual(missing, [...others, ...interfaces, "cni.network.conflist"]);
});

function hasKey(value: unknown, path: string): boolean {
  let nodes: unknown[] = [value];
  for (const step of path.replaceAll("[]", ".[]").split(".")) {
    nodes = nodes.flatMap((node): unknown[] => {
      if (typeof node !== "object" || node === null) return [];
      if (step === "[]" || step === "*") return Object.values(node);
      return Object.entries(node).filter(([key]) => key === step).map(([, child]) => child);
    });
  }
  return nodes.length > 0;
}

Deno.test("loadMachines() refuses of the full file only what is not supported yet or not on this host", async () => {
  await using host = await makeTestHost();
  await host.write({ ".gitconfig": "[user]\n", "team.yaml": "env: {A: a}\n", ...PEM_FILES });
  const path = `${host.home}/machine.yaml`;
  await Deno.copyFile(FULL, path);
  const result = await loadMachine({ path }, host.facts);
  assert.ok(!result.ok);
  const rest = result.problems.filter((it) => !/is not supported yet$/i.test(it.message));
  assert.deepEqual(rest, []);
  const refused = new Set(result.problems.map((it) => it.path));
  const later = listFields().filter((it) => it.support === "later" && /^[^.[]+$/.test(it.path));
  for (const field of later) assert.ok(refused.has(field.path), `${field.path} is not refused`);
});

Deno.test("every key says what it is and what changing it costs", () => {
  for (const field of listFields()) {
    assert.match(field.description, /^\S.*[^.]$/s, field.path);
    const effects = typeof field.effect === "string" ? [field.effect] : Object.values(field.effect);
    assert.ok(effects.length > 0, field.path);
  }
});

Deno.test("the effects of keys are those of the reference", () => {
  const effectOf = new Map(listFields().map((field) => [field.path, field.effect]));
  const rows: Readonly<Record<string, unknown>> = {
    "name": "identity",
    "protect": "live",
    "hostname": "live",
    "ssh.port": "live",
    "vm.cpus": "restart",
    "vm.memory": "restart",
    "vm.cpu": "restart",
    "vm.accel": "restart",
    "vm.nested": "restart",
    "vm.extraArgs": "restart",
    "network.interfaces": "restart",
    "vm.driver": "recreate",
    "vm.arch": "recreate",
    "vm.image": "recreate",
    "vm.disk": { grow: "live", shrink: "recreate" },
    "vm.dataDisk": { grow: "live", shrink: "data-loss", attach: "restart", none: "data-loss" },
    "vm.disks": { add: "live", remove: "live", delete: "data-loss" },
    "vm.disks[].size": { grow: "live", shrink: "data-loss" },
    "vm.disks[].target": "live",
    "timezone": "live",
    "locale": "live",
    "env": "live",
    "files": "live",
    "packages.install": "live",
    "sysctl": "live",
    "modules": "live",
    "binfmt": "live",
    "provision": "live",
    "user.shell": "live",
    "user.sudo": "live",
    "user.name": "service",
    "user.uid": "service",
    "mounts": { add: "restart", remove: "live", remount: "live" },
    "mounts[].source": { share: "restart", remount: "live" },
    "runtime.engine": { start: "live", stop: "service" },
    "runtime.rootless": "service",
    "runtime.docker.daemon": { reload: "live", restart: "service" },
    "runtime.docker.context": "live",
    "runtime.podman.connection": "live",
    "kubernetes.k3s.version": "service",
    "kubernetes.k3s.kubeconfig": "live",
  };
  for (const [path, effect] of Object.entries(rows)) assert.deepEqual(effectOf.get(path), effect, path);
});

Deno.test("schemas/machine.v1.schema.json is what the code says", async () => {
  const text = await Deno.readTextFile(new URL("../../schemas/machine.v1.schema.json", import.meta.url));
  assert.equal(text, renderMachineSchema(), "write it again: the schema has changed");
});

Deno.test("machineJsonSchema() accepts the full file and the profile", async () => {
  for (const url of [FULL, ...["docker", "containerd"].map((name) => new URL(`${name}.yaml`, PROFILES))]) {
    const result = validator().safeParse(parse(await Deno.readTextFile(url)));
    assert.deepEqual(result.error?.issues ?? [], [], url.pathname);
  }
});

Deno.test("machineJsonSchema() accepts short forms and variables, and refuses mistakes", () => {
  const schema = validator();
  const good = [
    "{}",
    "runtime: docker",
    "runtime: {engine: podman}",
    "vm: {image: debian-13, dataDisk: none}",
    "vm: {memory: '${env:MEM:-4GiB}'}",
    "ports: {rules: [{guest: 80}, {guest: 80-90}]}",
  ];
  const bad = [
    "vm: {memory: 4}",
    "vm: {memory: 4GB}",
    "vm: {memroy: 4GiB}",
    "runtime: dokcer",
    "mounts: [{target: /x}]",
    "apiVersion: v1",
    "files: [{path: /a, content: x, mode: 0644}]",
  ];
  for (const text of good) assert.ok(schema.safeParse(parse(text)).success, text);
  for (const text of bad) assert.ok(!schema.safeParse(parse(text)).success, text);
});

Deno.test("machineJsonSchema() tells editors what a key does", () => {
  const text = JSON.stringify(machineJsonSchema());
  assert.match(text, /^\{"\$schema":"https:\/\/json-schema\.org\/draft\/2020-12\/schema","\$id":"urn:/);
  const { properties } = z.object({ properties: z.record(z.string(), z.json()) }).parse(machineJsonSchema());
  assert.deepEqual(properties["extends"], {
    type: "array",
    items: { type: "string", minLength: 1 },
    description:
      "Profiles and files to start from: no slash and no dot, a profile; else a file, relative to this file",
    "x-effect": "none",
    "x-support": "yes",
  });
  assert.doesNotMatch(text, /9007199254740991/);
});

for (const engine of ["docker", "containerd"]) {
  Deno.test(`profiles/${engine}.yaml mounts the home folder and the one it is called in`, async () => {
    await using host = await makeTestHost();
    const before = Deno.env.get("PWD");
    const mountsFrom = async (folder: string) => {
      Deno.env.set("PWD", folder);
      const result = await loadMachine({ path: new URL(`${engine}.yaml`, PROFILES).pathname }, host.facts);
      assert.ok(result.ok, JSON.stringify(result));
      const { machine } = result.loaded;
      assert.deepEqual([machine.name, machine.runtime.engine], [engine, engine]);
      return machine.mounts.map((it) => [it.source, it.target, it.writable]);
    };
    try {
      const inside = `${host.home}/src`;
      assert.deepEqual(await mountsFrom(inside), [[host.home, host.home, true], [inside, inside, true]]);
      assert.deepEqual(await mountsFrom(host.home), [[host.home, host.home, true]]);
    } finally {
      if (before === undefined) Deno.env.delete("PWD");
      else Deno.env.set("PWD", before);
    }
  });
}
