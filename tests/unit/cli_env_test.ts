import assert from "node:assert/strict";
import { engineVariables, oursAmong } from "../../lib/apply/environment.ts";
import { runEnv } from "../../lib/cli/env.ts";
import type { EnvCommand } from "../../lib/cli/command.ts";
import type { Engine, Machine } from "../../lib/config/types.ts";
import { UserError } from "../../lib/host/errors.ts";
import { ensurePrivateDir, writeAtomic } from "../../lib/host/files.ts";
import { machineFolder } from "../../lib/host/paths.ts";
import { shellNamed, shellText } from "../../lib/ui/shell_text.ts";
import { fakeContext, GLOBALS } from "./cli_fixture.ts";
import { MACHINE, platformOf, RECORD, RUNNING, withHome } from "./resources_fixture.ts";

const ENV: EnvCommand = { ...GLOBALS, kind: "env", name: "dev", shell: "sh", unset: false };

async function makeMachine(engine: Engine) {
  const folder = machineFolder("dev");
  const machine: Machine = { ...MACHINE, runtime: { ...MACHINE.runtime, engine } };
  await ensurePrivateDir(folder.root);
  await writeAtomic(folder.record, JSON.stringify({ ...RECORD, machine }));
  return folder;
}

/** A machine that runs, with an agent that keeps these sockets. */
function running(sockets: readonly { host: string; listening: boolean; error?: string }[]) {
  return platformOf({
    vm: { look: () => Promise.resolve(RUNNING) },
    agents: {
      status: () =>
        Promise.resolve({
          build: "b",
          configHash: "",
          version: "",
          pid: 1,
          machine: "dev",
          startedAt: "",
          guest: { state: "connected", since: "" },
          sockets: sockets.map((socket) => ({ guest: "/run/x.sock", ...socket })),
          rssMiB: 0,
          counts: { connections: 0, execs: 0 },
        }),
    },
  });
}

const refuses = (message: RegExp, hint: RegExp) => (error: unknown) =>
  error instanceof UserError && message.test(error.message) && hint.test(error.hint ?? "");

Deno.test("engineVariables() leads to the socket of the engine that the machine has", () =>
  withHome(async () => {
    const docker = await makeMachine("docker");
    const both = running([
      { host: docker.dockerSocket, listening: true },
      { host: docker.containerdSocket, listening: true },
    ]);
    assert.deepEqual(await engineVariables("dev", () => {}, both), {
      DOCKER_HOST: `unix://${docker.dockerSocket}`,
    });
    await makeMachine("containerd");
    assert.deepEqual(await engineVariables("dev", () => {}, both), {
      CONTAINERD_ADDRESS: docker.containerdSocket,
      CONTAINERD_NAMESPACE: "default",
    });
  }));

Deno.test("engineVariables() refuses what leads nowhere, with the remedy", () =>
  withHome(async () => {
    const folder = await makeMachine("docker");
    const none = { listening: false, error: "the path is taken" };
    const stopped = platformOf({ vm: { look: () => Promise.resolve({ state: "stopped", crashed: false }) } });
    const of = (platform: ReturnType<typeof platformOf>, name = "dev") =>
      engineVariables(name, () => {}, platform);
    await assert.rejects(of(stopped), refuses(/"dev" does not run/, /machine start dev/));
    await assert.rejects(of(running([])), refuses(/Nothing listens on .*docker\.sock/, /machine apply/));
    const taken = running([{ host: folder.dockerSocket, ...none }]);
    await assert.rejects(of(taken), refuses(/docker\.sock: the path is taken/, /machine apply/));
    await assert.rejects(of(running([]), "other"), refuses(/no machine "other"/, /machine apply/));
    await makeMachine("none");
    await assert.rejects(of(running([])), refuses(/has no engine/, /runtime: docker/));
  }));

Deno.test("oursAmong() leaves what leads elsewhere alone", () =>
  withHome((home) => {
    const of = (variables: Record<string, string>) => oursAmong((name) => variables[name]);
    assert.deepEqual(of({ DOCKER_HOST: "unix:///run/docker.sock", CONTAINERD_NAMESPACE: "k8s.io" }), []);
    assert.deepEqual(of({ DOCKER_HOST: `unix://${home}/.machine/dev/docker.sock` }), ["DOCKER_HOST"]);
    const containerd = {
      CONTAINERD_ADDRESS: `${home}/.machine/dev/containerd.sock`,
      CONTAINERD_NAMESPACE: "x",
    };
    assert.deepEqual(of(containerd), ["CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE"]);
    return Promise.resolve();
  }));

Deno.test("runEnv() --unset needs no machine, and says it when nothing is set", () =>
  withHome(async (home) => {
    const before = Deno.env.get("DOCKER_HOST");
    const { context, written } = fakeContext(undefined, { commandLine: "machine env --unset" });
    try {
      Deno.env.set("DOCKER_HOST", `unix://${home}/.machine/dev/docker.sock`);
      assert.equal(await runEnv({ ...ENV, name: undefined, unset: true }, context), 0);
      assert.equal(written.out, 'unset DOCKER_HOST\n# eval "$(machine env --unset)"\n');
      Deno.env.set("DOCKER_HOST", "unix:///run/docker.sock");
      written.out = "";
      await runEnv({ ...ENV, name: undefined, unset: true }, context);
      assert.equal(written.out, "# Nothing of machine's is set here\n");
    } finally {
      if (before === undefined) Deno.env.delete("DOCKER_HOST");
      else Deno.env.set("DOCKER_HOST", before);
    }
  }));

const CHANGE = { set: { A: "it's $x" }, unset: ["B"] };

Deno.test("shellText() quotes for each shell, and says how it is used", () => {
  assert.equal(
    shellText("sh", CHANGE, "machine env"),
    "unset B\nexport A='it'\\''s $x'\n# eval \"$(machine env)\"\n",
  );
  assert.equal(
    shellText("fish", CHANGE, "machine env"),
    "set -e B\nset -gx A 'it\\'s $x'\n# machine env | source\n",
  );
  assert.equal(
    shellText("powershell", CHANGE, "machine env"),
    "Remove-Item Env:B -ErrorAction SilentlyContinue\n$Env:A = 'it''s $x'\n# machine env | Out-String | Invoke-Expression\n",
  );
});

Deno.test("shellText() is taken by a real shell as it was meant", async () => {
  const script = `${shellText("sh", CHANGE, "machine env")}printf %s "$A"`;
  const { stdout } = await new Deno.Command("/bin/sh", { args: ["-c", script], env: { B: "1" } }).output();
  assert.equal(new TextDecoder().decode(stdout), "it's $x");
});

Deno.test("shellNamed() goes by SHELL", () => {
  const rows = [["/usr/bin/fish", "fish"], ["/usr/bin/pwsh", "powershell"], ["/bin/zsh", "sh"], [
    undefined,
    "sh",
  ]];
  for (const [path, shell] of rows) assert.equal(shellNamed(path), shell);
});
