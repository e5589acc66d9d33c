import assert from "node:assert/strict";
import { join } from "node:path";
import { connectQmp } from "../../lib/drivers/qemu/qmp.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { processArguments } from "../../lib/host/process.ts";
import { importBusybox } from "./container_image.ts";
import { e2eTest } from "./e2e_test_case.ts";
import { killNow, Sandbox } from "./sandbox.ts";

/** A moment of an apply, told by one of its events. */
interface Moment {
  readonly address: string;
  /** Within the step: what it says that it does. Its start when left out. */
  readonly doing?: RegExp;
}

/** From the first step to the last; each apply goes on where the killed one before it was. */
const MOMENTS: readonly Moment[] = [
  { address: "image" },
  { address: "image", doing: /install|unpack|Setting up|Writing the disk/i },
  { address: "disk:data" },
  { address: "disk:system" },
  { address: "vm" },
  { address: "vm", doing: /booting/ },
  { address: "agent" },
  { address: "module:dummy" },
  { address: "disk:more" },
  { address: "folders" },
  { address: "mount:" },
  { address: "user:" },
  { address: "env" },
  { address: "file:/etc/motd" },
  { address: "engine:docker" },
  { address: "engine:docker", doing: /starting dockerd/ },
  { address: "provision:once" },
  { address: "socket:docker" },
  { address: "context:docker" },
  { address: "sshconfig" },
];

await e2eTest(
  "an apply that is killed or interrupted at any moment is finished by the next one",
  async (t) => {
    const cache = await Deno.makeTempDir({ dir: "/tmp", prefix: "mc-" });
    await using sandbox = await Sandbox.make({ cache, alsoRemove: [cache] });
    await sandbox.write({
      apiVersion: "machine/v1",
      name: "dev",
      vm: {
        cpus: 2,
        memory: "1GiB",
        disk: "6GiB",
        dataDisk: "4GiB",
        disks: [{ name: "more", size: "64MiB", target: "/mnt/more" }],
      },
      mounts: [{ source: sandbox.work, writable: true }],
      env: { COLOUR: "red" },
      files: [{ path: "/etc/motd", content: "hello\n" }],
      modules: ["dummy"],
      provision: [{ name: "once", run: "cat /etc/motd >>/mnt/more/ran" }],
      runtime: "docker",
    });
    await killEverywhere(t, sandbox);
    await interrupt(t, sandbox);
  },
);

async function killEverywhere(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  let killed = 0;
  for (const moment of MOMENTS) {
    const when = moment.doing ? `while it is "${moment.doing.source}"` : "at its start";
    await t.step(`killed in ${moment.address} ${when}, an apply leaves no builder behind`, async () => {
      const apply = sandbox.start(["apply", "-o", "json"], { timeoutMs: 600_000 });
      const there = await apply.until((line) => isMoment(line, moment));
      apply.kill("SIGKILL");
      const { code, out, err } = await apply.ended;
      // A step that the former one had finished before it died is not made again.
      if (!there) return assert.equal(code, 0, out + err);
      killed++;
      await assertOnlyTheVm(sandbox);
    });
  }

  await t.step("the same apply then finishes, and finds nothing more", async () => {
    assert.ok(killed >= 10, `only ${killed} of ${MOMENTS.length} moments were met`);
    await sandbox.expect(0, ["apply"]);
    await sandbox.expect(0, ["diff"]);
    await importBusybox(sandbox);
    assert.equal(await sandbox.docker(["run", "-i", "--rm", "bb", "cat"], { stdin: "hi\n" }), "hi");
    const seen = await sandbox.inGuest("dev", ". /etc/profile; echo $COLOUR; head -n 1 /mnt/more/ran");
    assert.equal(seen, "red\nhello");
  });

  await t.step("nothing half-made is left in the cache and in the machine's folder", async () => {
    for (const folder of [join(sandbox.cache, "machine", "images"), sandbox.folder("dev").root]) {
      for await (const { name } of Deno.readDir(folder)) {
        assert.doesNotMatch(name, /^\.building-|\.part$|\.tmp$/, `${folder}/${name}`);
      }
    }
  });
}

function isMoment(line: string, { address, doing }: Moment): boolean {
  const event = JSON.parse(line) as { kind: string; address?: string; text?: string };
  if (!event.address?.startsWith(address)) return false;
  return doing === undefined
    ? event.kind === "step-start"
    : event.kind === "progress" && doing.test(event.text ?? "");
}

/** What outlives a killed command is the VM and its agent: everything else ends with it. */
async function assertOnlyTheVm(sandbox: Sandbox): Promise<void> {
  const others = () => {
    const named = new Set([...sandbox.processes(), ...sandbox.processes(sandbox.cache)]);
    return [...named].map(wordsOf).filter((words) => !/ -pidfile | agent run /.test(words));
  };
  const gone = await waitFor(async () => await Promise.resolve(others().length === 0 || undefined), {
    timeoutMs: 10_000,
  });
  assert.ok(gone, `still there: ${others().join("\n")}`);
}

function wordsOf(pid: number): string {
  return processArguments(pid)?.join(" ") ?? "";
}

async function interrupt(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  const startApply = async () => {
    const apply = sandbox.start(["apply", "--yes", "-o", "json"]);
    assert.ok(await apply.until((line) => isMoment(line, { address: "vm" })));
    return apply;
  };

  await t.step("Ctrl-C lets the running step finish, says so, and ends with 5", async () => {
    await killNow(await sandbox.qemu("dev"));
    const apply = await startApply();
    apply.kill("SIGINT");
    const { code, out, err } = await apply.ended;
    assert.equal(code, 5, out + err);
    assert.match(err, /Interrupted: waiting for vm to finish/);
    assert.match(out, /"done":\["vm"\]/);
  });

  await t.step("the next apply goes on", async () => {
    await sandbox.expect(0, ["apply"]);
    await sandbox.expect(0, ["diff"]);
  });

  await t.step("a second Ctrl-C gives the running step up and ends with 130", async () => {
    await killNow(await sandbox.qemu("dev"));
    const apply = await startApply();
    assert.ok(await apply.until((line) => isMoment(line, { address: "vm", doing: /booting/ })));
    apply.kill("SIGINT");
    // Two signals sent at once may arrive as one (signal(7)).
    assert.ok(await apply.untilSaid((line) => line.startsWith("Interrupted")));
    apply.kill("SIGINT");
    const { code, out, err } = await apply.ended;
    assert.equal(code, 130, out + err);
  });

  await t.step("the apply after that brings the machine up", async () => {
    await sandbox.expect(0, ["apply", "--yes"]);
    await sandbox.expect(0, ["diff"]);
    assert.equal(await sandbox.docker(["run", "--rm", "bb", "echo", "hi"]), "hi");
  });
  await t.step("a guest that starts anew under an apply is waited for, and the apply goes on", async () => {
    const edit = `mkdir -p /etc/docker; echo '{"debug": true}' >/etc/docker/daemon.json`;
    await sandbox.expect(0, ["exec", "sudo", "sh", "-c", edit]);
    const apply = sandbox.start(["apply", "--yes", "-o", "json"]);
    assert.ok(await apply.until((line) => isMoment(line, { address: "engine:docker" })));
    {
      using qmp = await connectQmp(sandbox.folder("dev").qmpCommand);
      await qmp.execute("system_reset");
    }
    const { code, out, err } = await apply.ended;
    assert.equal(code, 0, out + err);
    assert.match(out, /went away under a step/);
    await sandbox.expect(0, ["diff"]);
  });
}
