import assert from "node:assert/strict";
import { waitFor } from "../../lib/host/clock.ts";
import { makePluginMirror, PLUGIN_VERSION, spoilChecksum } from "./plugin_mirror.ts";
import type { MachineFile, Sandbox } from "./sandbox.ts";

const NAME = "eng";
const IMAGE = "docker.io/library/bb:latest";
const CONFLISTS = "/etc/cni/net.d";
const LAB = {
  cniVersion: "1.0.0",
  name: "lab",
  plugins: [
    { type: "bridge", bridge: "lab0", isGateway: true, ipam: { type: "host-local", subnet: "10.99.0.0/24" } },
    { type: "firewall" },
  ],
};

/** containerd gives containers a network; the engine is containerd already, with an image "bb". */
export async function networkContainers(
  t: Deno.TestContext,
  sandbox: Sandbox,
  file: MachineFile,
): Promise<void> {
  const write = (keys: MachineFile) =>
    sandbox.write({ ...file, runtime: { engine: "containerd", containerd: { nerdctl: false } }, ...keys });
  const started = () => sandbox.inGuest(NAME, "systemctl show -p InvocationID --value containerd");
  const there = () => sandbox.inGuest(NAME, `ls ${CONFLISTS} /opt/cni/bin 2>&1 || :`);

  await t.step("containers of containerd get addresses of their own, and reach each other", async () => {
    const address = await serve(sandbox, "first");
    assert.match(address, /^10\.87\./);
    assert.match(await fetchFrom(sandbox, address), /^ELF/);
  });

  await t.step("the network of the file takes its place; containerd and the container go on", async () => {
    const [before, task] = [await started(), await taskOf(sandbox, "first")];
    await write({ cni: { network: { conflist: LAB } } });
    const { out } = await sandbox.expect(0, ["apply"]);
    assert.match(out, /cni +update +live/);
    await sandbox.expect(0, ["diff"]);
    assert.equal(await started(), before);
    assert.equal(await taskOf(sandbox, "first"), task);
    const address = await serve(sandbox, "second");
    assert.match(address, /^10\.99\.0\./);
    assert.match(await fetchFrom(sandbox, address), /^ELF/);
  });

  await t.step("a network whose plugin is missing is refused, and the former one stays", async () => {
    const before = await sandbox.inGuest(NAME, `cat ${CONFLISTS}/*`);
    await write({ cni: { network: { conflist: { ...LAB, plugins: [{ type: "teleport" }] } } } });
    const { out, err } = await sandbox.expect(1, ["apply"]);
    assert.match(out + err, /plugins that the guest has not: \/usr\/lib\/cni\/teleport/);
    assert.equal(await sandbox.inGuest(NAME, `cat ${CONFLISTS}/*`), before);
  });

  await t.step("somebody else's network that comes first blocks, until it is gone", async () => {
    await write({});
    await sandbox.inGuest(NAME, `echo '{}' >${CONFLISTS}/00-theirs.conf`);
    const { out } = await sandbox.expect(4, ["apply"]);
    assert.match(out, /cni +blocked +"\/etc\/cni\/net\.d\/00-theirs\.conf" is not ours/);
    await sandbox.inGuest(NAME, `mv ${CONFLISTS}/00-theirs.conf ${CONFLISTS}/90-theirs.conf`);
    await sandbox.expect(0, ["apply"]);
    await sandbox.inGuest(NAME, `rm ${CONFLISTS}/90-theirs.conf`);
  });

  await t.step("plugins with a wrong checksum are refused, and nothing is touched", async () => {
    const mirror = await makePluginMirror(sandbox, NAME);
    const makeRight = await spoilChecksum(mirror);
    const before = await started();
    await write({ artifacts: { mirror }, cni: { plugins: { version: `v${PLUGIN_VERSION}` } } });
    const { out, err } = await sandbox.expect(1, ["apply", "--yes"]);
    assert.match(out + err, /The checksum of .*cni-plugins.* is wrong/);
    assert.match(await there(), /cannot access '\/opt\/cni\/bin'/);
    assert.equal(await started(), before);
    await makeRight();
  });

  await t.step("plugins of a release come in, and containerd uses them; its container goes on", async () => {
    const task = await taskOf(sandbox, "first");
    await sandbox.expect(0, ["apply", "--yes"]);
    await sandbox.expect(0, ["diff"]);
    assert.equal(await taskOf(sandbox, "first"), task);
    const config = await sandbox.inGuest(NAME, "containerd config dump | grep bin_dir");
    assert.match(config, /bin_dir = .\/opt\/cni\/bin/);
    const says = await sandbox.inGuest(NAME, "CNI_COMMAND=VERSION /opt/cni/bin/bridge </dev/null");
    assert.ok((JSON.parse(says) as { supportedVersions: string[] }).supportedVersions.includes("1.0.0"));
    await sandbox.inGuest(NAME, "echo more >>/opt/cni/bin/portmap");
    assert.match((await sandbox.expect(2, ["diff"])).out, /\/opt\/cni\/bin\/portmap +changed → 1\.7\.1/);
    await sandbox.expect(0, ["apply", "--yes"]);
  });

  await t.step("taken out, Debian's plugins are used again, and what came is gone", async () => {
    await write({});
    await sandbox.expect(0, ["apply", "--yes"]);
    await sandbox.expect(0, ["diff"]);
    assert.match(await there(), /cannot access '\/opt\/cni\/bin'/);
  });

  await t.step("with another engine the network goes, and its bridge", async () => {
    await sandbox.write({ ...file, runtime: { engine: "none" } });
    await sandbox.expect(0, ["apply", "--yes"]);
    await sandbox.expect(0, ["diff"]);
    const left = await sandbox.inGuest(
      NAME,
      `ls -d ${CONFLISTS}/05-machine.conflist /sys/class/net/machine0 2>&1 || :`,
    );
    assert.doesNotMatch(left, /^\//m);
    await write({});
    await sandbox.expect(0, ["apply", "--yes"]);
  });
}

/** Starts a container that serves its programs, on the network that there is; gives its address. */
async function serve(sandbox: Sandbox, id: string): Promise<string> {
  const words = ["busybox", "httpd", "-f", "-p", "80", "-h", "/bin"];
  await sandbox.expect(0, ["ctr", "run", "-d", "--cni", IMAGE, id, ...words]);
  const show = ["task", "exec", "--exec-id", "look", id, "busybox", "ip", "-4", "addr", "show", "eth0"];
  const { out } = await sandbox.expect(0, ["ctr", ...show]);
  return /inet ([\d.]+)/.exec(out)![1]!;
}

/** Asks a container from another one of the same network; gives the first bytes of what it serves. */
async function fetchFrom(sandbox: Sandbox, address: string): Promise<string> {
  const ask = `busybox wget -q -O - http://${address}/busybox | busybox head -c 4 | busybox tail -c 3`;
  const page = await waitFor(async () => {
    const words = ["ctr", "run", "--rm", "--cni", IMAGE, "asks", "busybox", "sh", "-c", ask];
    const { code, out } = await sandbox.machine(words);
    return code === 0 && out !== "" ? out : undefined;
  }, { timeoutMs: 60_000 });
  assert.ok(page, `nothing answers at ${address}`);
  return page;
}

/** A container's process. */
async function taskOf(sandbox: Sandbox, id: string): Promise<string> {
  const { out } = await sandbox.expect(0, ["ctr", "task", "ls"]);
  const row = new RegExp(`^${id} +\\d+ +RUNNING`, "m").exec(out);
  assert.ok(row, out);
  return row[0];
}
