import { join } from "node:path";
import { waitFor } from "../../lib/host/clock.ts";
import { start } from "../e2e/command.ts";
import { importBusybox } from "../e2e/container_image.ts";
import { isThere, Sandbox } from "../e2e/sandbox.ts";

/** Measures, on a machine of its own and in one run, what one would do instead; only the ratios say something. */

/** What a row compares: the same work done by machine and by what one would use without it. */
interface Row {
  readonly what: string;
  readonly instead: string;
  readonly rounds: number;
  readonly ours: () => Promise<unknown>;
  readonly theirs: () => Promise<unknown>;
}

await using sandbox = await Sandbox.make();
await sandbox.write({
  apiVersion: "machine/v1",
  name: "bench",
  vm: { cpus: 2, memory: "2GiB", disk: "6GiB", dataDisk: "4GiB" },
  mounts: [{ source: sandbox.work, writable: true }],
  runtime: "docker",
});
console.error("Making a machine");
await sandbox.expect(0, ["apply"], { timeoutMs: 900_000 });
await importBusybox(sandbox);
const forwarded = await forwardByOpenSsh(sandbox);
const rows: string[][] = [["what", "machine", "instead", "", "ratio"]];
try {
  for (const row of rowsFor(sandbox)) rows.push(await measure(row));
} finally {
  forwarded.kill("SIGTERM");
  await forwarded.ended;
}
printTable(rows);

function rowsFor(sandbox: Sandbox): Row[] {
  const ssh = (words: readonly string[]) => succeed(sandbox.run([...sshWords(sandbox), ...words]));
  const bySsh = { env: { DOCKER_HOST: `unix://${forwardedSocket(sandbox)}` } };
  const eightMiB = "0123456789abcdef".repeat(2 ** 19);
  const compare = (words: readonly string[], stdin?: string) => ({
    ours: () => sandbox.docker(words, stdin === undefined ? {} : { stdin }),
    theirs: () => sandbox.docker(words, { ...bySsh, ...(stdin === undefined ? {} : { stdin }) }),
  });
  const instead = "docker over ssh -L";
  return [
    {
      what: "diff of a machine that is as wanted",
      instead: "ssh machine true",
      rounds: 7,
      ours: () => sandbox.expect(0, ["diff"]),
      theirs: () => ssh(["true"]),
    },
    {
      what: "apply with nothing to do",
      instead: "ssh machine true",
      rounds: 7,
      ours: () => sandbox.expect(0, ["apply"]),
      theirs: () => ssh(["true"]),
    },
    {
      what: "exec true",
      instead: "ssh machine true",
      rounds: 7,
      ours: () => sandbox.expect(0, ["exec", "true"]),
      theirs: () => ssh(["true"]),
    },
    { what: "docker info", instead, rounds: 7, ...compare(["info", "--format", "{{.Name}}"]) },
    { what: "docker run --rm", instead, rounds: 5, ...compare(["run", "--rm", "bb", "true"]) },
    {
      what: "8 MiB into a container",
      instead,
      rounds: 3,
      ...compare(["run", "-i", "--rm", "bb", "sh", "-c", "cat >/dev/null"], eightMiB),
    },
  ];
}

/** Median milliseconds of both, measured in turns so that a busy moment hits both. */
async function measure({ what, instead, rounds, ours, theirs }: Row): Promise<string[]> {
  console.error(`Measuring: ${what}`);
  const times: readonly [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round++) {
    times[0].push(await timeOf(ours));
    times[1].push(await timeOf(theirs));
  }
  const [mine, other] = times.map((list) => list.sort((a, b) => a - b)[Math.floor(rounds / 2)]!);
  return [what, `${mine!.toFixed(0)} ms`, `${other!.toFixed(0)} ms`, instead, (mine! / other!).toFixed(2)];
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function succeed(ending: ReturnType<Sandbox["run"]>): Promise<void> {
  const { code, err } = await ending;
  if (code !== 0) throw new Error(err);
}

function sshWords(sandbox: Sandbox): string[] {
  return ["ssh", "-n", "-F", join(sandbox.machineHome, "ssh_config"), "machine-bench"];
}

function forwardedSocket(sandbox: Sandbox): string {
  return join(sandbox.root, "f.sock");
}

/** Docker's socket as OpenSSH forwards it. */
async function forwardByOpenSsh(sandbox: Sandbox) {
  const [program, ...words] = sshWords(sandbox);
  const forward = `${forwardedSocket(sandbox)}:/run/docker.sock`;
  const options = { cwd: sandbox.work, env: sandbox.env, timeoutMs: 1_800_000 };
  const running = start([program!, "-N", "-o", "ExitOnForwardFailure=yes", "-L", forward, ...words], options);
  const ready = await waitFor(async () => await isThere(forwardedSocket(sandbox)) || undefined, {
    timeoutMs: 30_000,
  });
  if (!ready) throw new Error((await running.ended).err);
  return running;
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    console.log(row.map((cell, column) => cell.padEnd(widths[column]!)).join("  ").trimEnd());
  }
}
