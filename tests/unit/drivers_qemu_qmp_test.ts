import assert from "node:assert/strict";
import { addForward, removeForward } from "../../lib/drivers/qemu/forward.ts";
import { findQemu, lookAtVm } from "../../lib/drivers/qemu/look.ts";
import { connectQmp, QmpError } from "../../lib/drivers/qemu/qmp.ts";
import { waitFor } from "../../lib/host/clock.ts";
import { GREETING, inMachineFolder, withMonitor, withRealQemu } from "./drivers_monitor_fixture.ts";

Deno.test("connectQmp() passes over events that come between command and answer", async () => {
  const event = '{"event": "RESUME", "timestamp": {}}\r\n';
  await withMonitor(
    event + GREETING,
    () => `${event}{"return": {"status": "running"}}\r\n${event}`,
    async (folder) => {
      using qmp = await connectQmp(folder.qmpCommand);
      for (let i = 0; i < 3; i++) assert.deepEqual(await qmp.execute("query-status"), { status: "running" });
    },
  );
});

Deno.test("connectQmp() puts an answer together that comes in pieces", async () => {
  const long = "x".repeat(200_000);
  await withMonitor(GREETING, () => `{"return": "${long}"}\r\n`, async (folder) => {
    using qmp = await connectQmp(folder.qmpCommand);
    assert.equal((await qmp.human("info")).length, long.length);
  });
});

Deno.test("waitForEvent() takes an event that came with an answer, one that comes later, and no other", async () => {
  const event = (device: string) => `{"event": "DEVICE_DELETED", "data": {"device": "${device}"}}\r\n`;
  const answers = [
    event("a") + '{"return": {}}\r\n',
    '{"return": {}}\r\n' + event("b"),
    '{"return": {}}\r\n',
  ];
  await withMonitor(GREETING, () => answers.shift() ?? "", async (folder) => {
    using qmp = await connectQmp(folder.qmpCommand);
    const deleted = (device: string, timeoutMs = 5000) =>
      qmp.waitForEvent("DEVICE_DELETED", (data) => data["device"] === device, timeoutMs);
    await qmp.execute("device_del");
    await deleted("a");
    await qmp.execute("device_del");
    await deleted("b");
    await qmp.execute("device_del");
    await assert.rejects(deleted("b", 50), { name: "TimeoutError" }, "an event counts once");
  });
});

Deno.test("connectQmp() gives QEMU's own words when it refuses", async () => {
  const refusal = '{"error": {"class": "GenericError", "desc": "Block node is read-only"}}\r\n';
  await withMonitor(GREETING, () => refusal, async (folder) => {
    using qmp = await connectQmp(folder.qmpCommand);
    await assert.rejects(qmp.execute("block_resize"), (error) => {
      assert.ok(error instanceof QmpError);
      assert.equal(error.className, "GenericError");
      assert.match(error.message, /block_resize: Block node is read-only/);
      return true;
    });
  });
});

Deno.test("connectQmp() without a greeting is a time-out, never 'not there'", async () => {
  await withMonitor(undefined, () => "", async (folder) => {
    await assert.rejects(connectQmp(folder.qmpCommand), { name: "TimeoutError" });
  });
});

Deno.test("connectQmp() tells that nothing listens", async () => {
  await inMachineFolder(async (folder) => {
    await assert.rejects(connectQmp(folder.qmpCommand), Deno.errors.NotFound);
  });
});

Deno.test("addForward() takes the monitor's text for the error that it is", async () => {
  const reply = () => '{"return": "Could not set up host forwarding rule\\r\\n"}\r\n';
  const forward = { protocol: "tcp", host: "127.0.0.1", hostPort: 8080, guestPort: 80 } as const;
  await withMonitor(GREETING, reply, async (folder) => {
    await assert.rejects(addForward(folder, forward), /Cannot listen on 127\.0\.0\.1:8080: Could not set up/);
    await removeForward(folder, forward); // says so too, when there is none
  });
});

Deno.test("lookAtVm() without socket and process finds a stopped VM", async () => {
  await inMachineFolder(async (folder) => {
    assert.deepEqual(await lookAtVm(folder), { state: "stopped", crashed: false });
  });
});

Deno.test("lookAtVm() with a dead socket and a pid file that nobody removed finds a crash", async () => {
  await inMachineFolder(async (folder) => {
    const listener = Deno.listen({ transport: "unix", path: `${folder.qmpCommand}.x` });
    await Deno.rename(`${folder.qmpCommand}.x`, folder.qmpCommand); // or the listener would take it along
    listener.close();
    assert.ok((await Deno.lstat(folder.qmpCommand)).isSocket);
    await Deno.writeTextFile(folder.qemuPid, "4194300\n");
    const look = await lookAtVm(folder);
    assert.deepEqual(look, { state: "stopped", crashed: true, reason: "the QEMU process 4194300 is gone" });
  });
});

Deno.test("lookAtVm() takes another process of the recorded number for no VM", async () => {
  await inMachineFolder(async (folder) => {
    await Deno.writeTextFile(folder.qemuPid, `${Deno.pid}\n`);
    assert.equal(await findQemu(folder), undefined);
    assert.equal((await lookAtVm(folder)).state, "stopped");
  });
});

Deno.test({
  name: "findQemu() takes a kernel thread of the recorded number for no VM",
  ignore: kernelThread() === undefined,
  async fn() {
    await inMachineFolder(async (folder) => {
      await Deno.writeTextFile(folder.qemuPid, `${kernelThread()}\n`);
      assert.equal(await findQemu(folder), undefined);
    });
  },
});

Deno.test("lookAtVm() lets a real QEMU describe itself, and finds it when it hangs and when it was killed", async () => {
  await withRealQemu(async (folder, pid) => {
    const forward = { protocol: "tcp", host: "127.0.0.1", hostPort: freeTcpPort(), guestPort: 22 } as const;
    await addForward(folder, forward);
    const look = await lookAtVm(folder);
    assert.ok(look.state === "running", JSON.stringify(look));
    const { status, cpus, memoryMiB, accel, cpu, forwards } = look;
    assert.deepEqual({ pid: look.pid, status, cpus, memoryMiB, accel, cpu, forwards }, {
      pid,
      status: "prelaunch",
      cpus: 1,
      memoryMiB: 64,
      accel: "tcg",
      cpu: "max,-cx16",
      forwards: [forward],
    });
    await assert.rejects(addForward(folder, forward), /Cannot listen on/);
    await removeForward(folder, forward);

    using _busy = await connectQmp(folder.qmpCommand);
    const busy = await lookAtVm(folder);
    assert.ok(
      busy.state === "unknown" && /another command is asking it/.test(busy.reason),
      JSON.stringify(busy),
    );

    await Deno.remove(folder.qemuPid);
    assert.equal(await findQemu(folder), pid, "found without its pid file");

    Deno.kill(pid, "SIGKILL");
    const gone = await waitFor(async () => (await lookAtVm(folder)).state === "stopped" || undefined, {
      timeoutMs: 5000,
    });
    assert.ok(gone);
  });
});

function freeTcpPort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** A process of the kernel's own, which has no arguments; containers show none. */
function kernelThread(): number | undefined {
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    try {
      const stat = Deno.readTextFileSync(`/proc/${entry.name}/stat`);
      if (Deno.readTextFileSync(`/proc/${entry.name}/cmdline`) === "" && !/\) Z/.test(stat)) {
        return Number(entry.name);
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error; // gone between two looks
    }
  }
  return undefined;
}
