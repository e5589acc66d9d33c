import assert from "node:assert/strict";
import type { MachineStatus } from "../../lib/apply/types.ts";
import { outcomeJson } from "../../lib/ui/events_json.ts";
import { outcomeText } from "../../lib/ui/outcome_text.ts";
import { statusText } from "../../lib/ui/status_text.ts";
import { formatMs, PLAIN } from "../../lib/ui/style.ts";

const STOPPED: MachineStatus = {
  name: "dev",
  state: "stopped",
  origin: "/home/ada/machine.yaml",
  limits: [],
  mounts: [],
  sockets: [],
};

Deno.test("statusText() shows a running machine on 80 columns", () => {
  const text = statusText({
    ...STOPPED,
    state: "running",
    vm: { pid: 42, accel: "tcg", cpu: "max,-cx16", cpus: 4, memoryMiB: 4096, qemuVersion: "7.2.22" },
    limits: [
      "This QEMU emulates no x86-64-v2: images that need it, such as UBI 9, do not start in this machine",
    ],
    agent: { state: "connected", pid: 43, since: "2026-11-22T13:00:00Z" },
    ssh: { host: "127.0.0.1", port: 2222, command: "ssh -F ~/.machine/ssh_config machine-dev" },
    mounts: [
      { source: "/home/ada", target: "/home/ada", type: "9p", writable: false, state: "same" },
      { source: "/home/ada/src", target: "/src", type: "9p", writable: true, state: "differs" },
    ],
    sockets: [{ host: "~/.machine/dev/docker.sock", guest: "/run/docker.sock", state: "listening" }],
    docker: { context: "machine-dev", current: true, endpoint: "unix:///home/ada/.machine/dev/docker.sock" },
    bootMs: 14_200,
  }, PLAIN);
  assert.equal(
    text,
    `machine   dev  running
file      /home/ada/machine.yaml
vm        4 CPUs, 4096 MiB, process 42
          QEMU 7.2.22, tcg, CPU model max,-cx16
boot      14.2 s
agent     connected, process 43, since 2026-11-22T13:00:00Z
ssh       ssh -F ~/.machine/ssh_config machine-dev
docker    context machine-dev (current)
          unix:///home/ada/.machine/dev/docker.sock
mounts    /home/ada  9p, read-only  same
          /home/ada/src → /src  9p, writable  differs
sockets   ~/.machine/dev/docker.sock → /run/docker.sock  listening
limits    This QEMU emulates no x86-64-v2: images that need it, such as UBI 9,
          do not start in this machine
`,
  );
});

Deno.test("statusText() says why a state is not known, and that a deleted machine's data is kept", () => {
  assert.match(
    statusText({ ...STOPPED, state: "unknown", reason: "QMP gives no greeting" }, PLAIN),
    /unknown: QMP gives/,
  );
  assert.match(statusText({ ...STOPPED, state: "kept-data" }, PLAIN), /deleted, its data disk is kept/);
  assert.match(statusText({ ...STOPPED, origin: "-" }, PLAIN), /file {6}standard input/);
});

const NOTHING = { exitCode: 0, done: [], failed: [], skipped: [], open: [] };
const OPTIONS = { style: PLAIN, verbose: false, positionOf: () => undefined };

Deno.test("outcomeText() says that there was nothing to do, and why nothing was done", () => {
  assert.equal(outcomeText(NOTHING, OPTIONS), "Done: nothing to do.\n");
  assert.equal(
    outcomeText({ ...NOTHING, exitCode: 4, reason: "It needs --allow recreate" }, OPTIONS),
    "Nothing was done. It needs --allow recreate.\n",
  );
});

Deno.test("outcomeText() lists what is open, but not the whole plan again when nothing was begun", () => {
  const line = { phase: 1, effect: "live", paths: [], dependsOn: [] } as const;
  const open = [{ ...line, address: "vm", action: "create" }, {
    ...line,
    address: "mount:/x",
    action: "blocked",
  }] as const;
  assert.equal(
    outcomeText({ ...NOTHING, exitCode: 4, open }, OPTIONS),
    "Open:\n  ! mount:/x  blocked\nNothing was done.\n",
  );
  assert.match(outcomeText({ ...NOTHING, exitCode: 5, done: ["image"], open }, OPTIONS), /\n {2}\+ vm /);
});

Deno.test("outcomeJson() is one line with every field", () => {
  const text = outcomeJson({ ...NOTHING, exitCode: 4, reason: "no" });
  assert.deepEqual(JSON.parse(text), {
    kind: "outcome",
    exitCode: 4,
    done: [],
    failed: [],
    skipped: [],
    open: [],
    reason: "no",
    next: [],
  });
  assert.equal(text.indexOf("\n"), text.length - 1);
});

Deno.test("formatMs() never shows sixty seconds", () => {
  const shown = [0, 14_249, 59_949, 59_951, 60_000, 125_400].map(formatMs);
  assert.deepEqual(shown, ["0.0 s", "14.2 s", "59.9 s", "1 min 0 s", "1 min 0 s", "2 min 5 s"]);
});
