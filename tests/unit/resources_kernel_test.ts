import assert from "node:assert/strict";
import { moduleKind } from "../../lib/resources/modules.ts";
import { OWNED_FILE } from "../../lib/resources/owned.ts";
import { sysctlKind } from "../../lib/resources/sysctl.ts";
import {
  factsOf,
  type FileAnswer,
  guestOf,
  jobOf,
  listOf,
  lookOf,
  machineOf,
  opNames,
  toldOf,
  worldOf,
} from "./resources_fixture.ts";

type Files = Record<string, FileAnswer>;

const MODULE_FILE = "/etc/modules-load.d/machine-br_netfilter.conf";
const LOADED = "nls_x 1 0 - Live 0x0\nbr_netfilter 1 0 - Live 0x0\nbridge 1 1 br_netfilter, Live 0x0\n";
const MODULE_OURS = listOf({ "module:br_netfilter": { before: false, builtIn: false } });
const BUILT_IN = listOf({ "module:br_netfilter": { before: false, builtIn: true } });

const MODULE_ROWS: readonly (readonly [string, readonly string[], Files, readonly string[]])[] = [
  ["loaded and ours", ["br_netfilter"], {}, ["module:br_netfilter none live"]],
  ["absent", ["br_netfilter"], { "/proc/modules": "", [MODULE_FILE]: null, [OWNED_FILE]: null }, [
    "module:br_netfilter create live",
  ]],
  ["ours and not loaded", ["br_netfilter"], { "/proc/modules": "" }, [
    "module:br_netfilter update live, modules[br_netfilter]",
  ]],
  ["ours and loaded for this boot only", ["br_netfilter"], { [MODULE_FILE]: null }, [
    "module:br_netfilter update live, modules[br_netfilter]",
  ]],
  ["loaded by others for this boot", ["br_netfilter"], { [MODULE_FILE]: null, [OWNED_FILE]: null }, [
    "module:br_netfilter update live, modules[br_netfilter]",
  ]],
  ["another one that uses it is no sign of it", ["br_netfilter"], {
    "/proc/modules": "br_netfilter_more 1 0 - Live 0x0\nbridge 1 1 br_netfilter, Live 0x0\n",
  }, ["module:br_netfilter update live, modules[br_netfilter]"]],
  ["part of the kernel", ["br_netfilter"], { "/proc/modules": "", [OWNED_FILE]: BUILT_IN }, [
    "module:br_netfilter none live",
  ]],
  ["a kernel without modules", ["br_netfilter"], {
    "/proc/modules": null,
    [MODULE_FILE]: null,
    [OWNED_FILE]: null,
  }, ["module:br_netfilter create live"]],
  ["unknown", ["br_netfilter"], { "/proc/modules": undefined as never }, [
    "module:br_netfilter blocked live (the guest did not answer)",
  ]],
  ["no longer wanted and ours", [], {}, ["module:br_netfilter delete live"]],
  ["no longer wanted, ours, gone already", [], { "/proc/modules": "", [MODULE_FILE]: null }, [
    "module:br_netfilter delete live",
  ]],
  ["no longer wanted and not ours", [], { [OWNED_FILE]: null }, []],
];

for (const [name, modules, files, wanted] of MODULE_ROWS) {
  Deno.test(`module: ${name}`, async () => {
    const usual = { "/proc/modules": LOADED, [MODULE_FILE]: "br_netfilter\n", [OWNED_FILE]: MODULE_OURS };
    const look = lookOf(factsOf({ ...usual, ...files }));
    assert.deepEqual(
      await toldOf(moduleKind, { world: worldOf({ machine: machineOf({ modules }) }), look }),
      wanted,
    );
  });
}

Deno.test("module: a name with - is the kernel's with _", async () => {
  const file = "/etc/modules-load.d/machine-br-netfilter.conf";
  const world = worldOf({ machine: machineOf({ modules: ["br-netfilter"] }) });
  const list = listOf({ "module:br-netfilter": { before: false, builtIn: false } });
  const look = lookOf(factsOf({ "/proc/modules": LOADED, [file]: "br-netfilter\n", [OWNED_FILE]: list }));
  assert.deepEqual(await toldOf(moduleKind, { world, look }), ["module:br-netfilter none live"]);
});

const DESCRIBED: readonly (readonly [string, string, string, object])[] = [
  ["new", "", "/lib/modules/6.12/kernel/net/x.ko.xz", { before: false, builtIn: false }],
  ["loaded before us", LOADED, "/lib/modules/6.12/kernel/net/x.ko.xz", { before: true, builtIn: false }],
  ["built in", "", "(builtin)\n", { before: false, builtIn: true }],
];
for (const [name, modules, place, note] of DESCRIBED) {
  Deno.test(`module: how one that is ${name} is noted before it is loaded, and undone`, async () => {
    const guest = guestOf(factsOf({ "/proc/modules": modules, [OWNED_FILE]: null }), (ops) => ({
      output: ops[0]?.op === "find-module" ? place : "",
    }));
    await moduleKind.apply(jobOf("module:br_netfilter", guest), "br_netfilter");
    assert.deepEqual(opNames(guest.requests[1]!), [
      `keep ${MODULE_FILE}`,
      `write ${OWNED_FILE}`,
      `write ${MODULE_FILE}`,
      "load-module br_netfilter",
    ]);
    const list = guest.requests[1]![1]!;
    assert.ok(list.op === "write");
    assert.deepEqual(JSON.parse(String(list.files[0]!.content)).applied, { "module:br_netfilter": note });
    const after = guestOf(factsOf({ [OWNED_FILE]: listOf({ "module:br_netfilter": note }) }));
    await moduleKind.undo(jobOf("module:br_netfilter", after));
    const names = opNames(after.ops());
    assert.ok(names.includes(`put-back ${MODULE_FILE}`));
    assert.equal(names.includes("unload-module br_netfilter"), name === "new");
  });
}

Deno.test("module: a second time it is still known what was there before the first", async () => {
  const guest = guestOf(factsOf({ "/proc/modules": LOADED, [OWNED_FILE]: MODULE_OURS }));
  await moduleKind.apply(jobOf("module:br_netfilter", guest), "br_netfilter");
  assert.ok(!opNames(guest.ops()).some((name) => name.startsWith("find-module")));
  await moduleKind.undo(jobOf("module:br_netfilter", guest));
  assert.ok(opNames(guest.ops()).includes("unload-module br_netfilter"));
});

Deno.test("module: one that the kernel does not have is said, and nothing is changed", async () => {
  const facts = factsOf({ "/proc/modules": LOADED, [OWNED_FILE]: null });
  const guest = guestOf(facts, () => ({ ok: false, code: 1, output: "modinfo: ERROR: Module x not found." }));
  await assert.rejects(moduleKind.apply(jobOf("module:x", guest), "x"), /kernel has no module "x"/);
  assert.deepEqual(opNames(guest.ops()), ["find-module x"]);
});

interface Parameter {
  readonly key: string;
  readonly proc: string;
  readonly file: string;
}

const PARAMETERS: readonly Parameter[] = [
  {
    key: "vm.swappiness",
    proc: "/proc/sys/vm/swappiness",
    file: "/etc/sysctl.d/90-machine-vm.swappiness.conf",
  },
  {
    key: "net.ipv4.conf.eth0/1.forwarding",
    proc: "/proc/sys/net/ipv4/conf/eth0.1/forwarding",
    file: "/etc/sysctl.d/90-machine-net.ipv4.conf.eth0:1.forwarding.conf",
  },
];

for (const { key, proc, file } of PARAMETERS) {
  const address = `sysctl:${key}`;
  const path = `sysctl[${JSON.stringify(key)}]`;
  const ours = listOf({ [address]: "60" }, { [file]: "of what was written" });
  const rows: readonly (readonly [string, boolean, Files, readonly string[]])[] = [
    ["as wanted", true, {}, [`${address} none live`]],
    ["never set by us", true, { [proc]: "60\n", [file]: null, [OWNED_FILE]: null }, [
      `${address} create live`,
    ]],
    ["right by chance, not ours", true, { [file]: null, [OWNED_FILE]: null }, [`${address} create live`]],
    ["changed in force", true, { [proc]: "60\n" }, [`${address} update live, ${path}`]],
    ["changed at boot", true, { [file]: `${key} = 60\n` }, [`${address} update live, ${path}`]],
    ["our file is gone", true, { [file]: null }, [`${address} update live, ${path}`]],
    ["a kernel that does not have it", true, { [proc]: null }, [`${address} update live, ${path}`]],
    ["unknown in force", true, { [proc]: undefined as never }, [
      `${address} blocked live (the guest did not answer)`,
    ]],
    ["no longer wanted", false, {}, [`${address} delete live`]],
    ["no longer wanted and gone", false, { [proc]: null, [file]: null }, [`${address} delete live`]],
    ["no longer wanted and not ours", false, { [OWNED_FILE]: null }, []],
  ];
  for (const [name, isWanted, files, wanted] of rows) {
    Deno.test(`sysctl: ${key} ${name}`, async () => {
      const usual = { [proc]: "10\n", [file]: `${key} = 10\n`, [OWNED_FILE]: ours };
      const world = worldOf({ machine: machineOf({ sysctl: isWanted ? { [key]: "10" } : {} }) });
      const look = lookOf(factsOf({ ...usual, ...files }));
      assert.deepEqual(await toldOf(sysctlKind, { world, look }), wanted);
    });
  }

  Deno.test(`sysctl: ${key} is set now and at boot, and goes back to what it was`, async () => {
    const guest = guestOf(factsOf({ [proc]: "60\n", [OWNED_FILE]: null }));
    await sysctlKind.apply(jobOf(address, guest), { key, value: "10" });
    assert.deepEqual(opNames(guest.ops()), [
      `keep ${file}`,
      `write ${OWNED_FILE}`,
      `write ${file}`,
      `set-sysctl ${key}=10`,
    ]);
    const list = guest.ops()[1]!;
    assert.ok(list.op === "write");
    assert.deepEqual(JSON.parse(String(list.files[0]!.content)).applied, { [address]: "60" });
    const again = guestOf(factsOf({ [proc]: "10\n", [OWNED_FILE]: ours }));
    await sysctlKind.apply(jobOf(address, again), { key, value: "20" });
    assert.ok(!opNames(again.ops()).some((name) => name.startsWith("keep")), "the first value stays known");
    await sysctlKind.undo(jobOf(address, again));
    assert.ok(opNames(again.ops()).includes(`set-sysctl ${key}=60`));
    assert.ok(opNames(again.ops()).includes(`put-back ${file}`));
  });
}

Deno.test("sysctl: tabs of the kernel and blanks of the file are the same, digits are not", async () => {
  const key = "net.ipv4.ip_local_port_range";
  const [proc, file] = ["/proc/sys/net/ipv4/ip_local_port_range", `/etc/sysctl.d/90-machine-${key}.conf`];
  const world = worldOf({ machine: machineOf({ sysctl: { [key]: "1024 65000" } }) });
  const told = (inForce: string, atBoot = `${key} = 1024 65000\n`) =>
    toldOf(sysctlKind, {
      world,
      look: lookOf(
        factsOf({ [proc]: inForce, [file]: atBoot, [OWNED_FILE]: listOf({ [`sysctl:${key}`]: true }) }),
      ),
    });
  const none = [`sysctl:${key} none live`];
  const update = [`sysctl:${key} update live, sysctl["${key}"]`];
  assert.deepEqual(await told("1024\t65000\n"), none);
  assert.deepEqual(await told("1024    65000\n"), none);
  assert.deepEqual(await told("1024\t65000\n", `# why\n`), update);
  assert.deepEqual(await told("1024\t6500\n"), update);
  assert.deepEqual(await told("102465000\n"), update);
});

Deno.test("sysctl: one that the kernel did not have before us is left when ours goes", async () => {
  const guest = guestOf(factsOf({ "/proc/sys/x/y": null, [OWNED_FILE]: null }));
  await sysctlKind.apply(jobOf("sysctl:x.y", guest), { key: "x.y", value: "1" });
  const list = guest.ops()[1]!;
  assert.ok(list.op === "write");
  assert.deepEqual(JSON.parse(String(list.files[0]!.content)).applied, { "sysctl:x.y": true });
  const after = guestOf(factsOf({ [OWNED_FILE]: listOf({ "sysctl:x.y": true }) }));
  await sysctlKind.undo(jobOf("sysctl:x.y", after));
  assert.ok(!opNames(after.ops()).some((name) => name.startsWith("set-sysctl")));
});

Deno.test("module and sysctl: what was there before has to be known before anything is changed", async () => {
  const guest = guestOf(factsOf({ [OWNED_FILE]: null }));
  await assert.rejects(
    moduleKind.apply(jobOf("module:dummy", guest), "dummy"),
    /does not tell which modules/,
  );
  const swap = { key: "vm.swappiness", value: "10" };
  await assert.rejects(
    sysctlKind.apply(jobOf("sysctl:vm.swappiness", guest), swap),
    /does not tell its vm.swappiness/,
  );
  assert.deepEqual(guest.requests, []);
});
