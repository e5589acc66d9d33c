import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { commandLine, type InteractiveOptions } from "../../lib/guest/terminal.ts";
import { type Sshd, sshdTerminalTest, sshdTest } from "./sshd_fixture.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("./interactive_program.ts"));
const PLAIN = { tty: false, agentForward: false } as const;

Deno.test("commandLine() quotes words, folder and variables", () => {
  const line = commandLine({
    command: ["echo", "a b", "it's"],
    cwd: "/my dir",
    env: { LANG: "C.UTF-8", X: "$y" },
  });
  assert.equal(line, `cd '/my dir' && exec env LANG=C.UTF-8 'X=$y' echo 'a b' 'it'\\''s'`);
});

Deno.test("commandLine() starts the login shell when there is no command", () => {
  assert.equal(commandLine({}), 'exec "$SHELL" -l');
});

sshdTest(
  "runInteractive() without a terminal passes input, output, errors and the exit code",
  async (sshd) => {
    const program = start(sshd, { ...PLAIN, command: ["sh", "-c", "cat; echo err >&2; exit 7"] });
    await feed(program, "hi\n");
    const { code, stdout, stderr } = await program.output();
    assert.deepEqual([code, text(stdout), text(stderr)], [7, "hi\n", "err\n"]);
  },
);

sshdTest("runInteractive() runs in the folder, with the variables, each word as it is", async (sshd) => {
  const command = ["sh", "-c", 'echo "$PWD|$GREETING|$1|$COLORTERM"', "sh", "a  'b' $HOME"];
  const program = start(sshd, { ...PLAIN, command, cwd: "/usr", env: { GREETING: "good day" } }, {
    COLORTERM: "truecolor",
  });
  await feed(program, "");
  assert.equal(text((await program.output()).stdout), "/usr|good day|a  'b' $HOME|truecolor\n");
});

sshdTest("runInteractive() carries 100 MB through cat with an equal checksum", async (sshd) => {
  const program = start(sshd, { ...PLAIN, command: ["cat"] });
  const sent = createHash("sha256");
  const received = createHash("sha256");
  const sending = (async () => {
    const writer = program.stdin.getWriter();
    const block = crypto.getRandomValues(new Uint8Array(60_000));
    for (let left = 100_000_000; left > 0; left -= block.length) {
      const piece = block.slice(0, left);
      sent.update(piece);
      await writer.write(piece);
    }
    await writer.close();
  })();
  let bytes = 0;
  for await (const chunk of program.stdout) {
    received.update(chunk);
    bytes += chunk.length;
  }
  await sending;
  assert.equal((await program.status).code, 0);
  await program.stderr.cancel();
  assert.equal(bytes, 100_000_000);
  assert.equal(received.digest("hex"), sent.digest("hex"));
});

sshdTest("runInteractive() gives 128 + n when a signal ended the program", async (sshd) => {
  const program = start(sshd, { ...PLAIN, command: ["sh", "-c", "kill -KILL $$"] });
  await feed(program, "");
  assert.equal((await program.output()).code, 128 + 9);
});

sshdTest("runInteractive() passes Ctrl-C on to a program without a terminal", async (sshd) => {
  const script = // ends with its connection, also where nobody ends it
    "trap 'echo caught; exit 42' INT; echo ready; while kill -0 $PPID; do sleep 0.1; done";
  const program = start(sshd, { ...PLAIN, command: ["sh", "-c", script] });
  const output = program.stdout.getReader();
  assert.equal(text((await output.read()).value), "ready\n");
  program.kill("SIGINT");
  // sshd sends no signals to root's programs (session.c, "requires privilege separation"): they are given up.
  const root = sshd.target.user === "root";
  assert.equal(text((await output.read()).value), root ? "" : "caught\n");
  assert.equal((await program.status).code, root ? 128 + 2 : 42);
  await output.cancel();
  await program.stderr.cancel();
  await program.stdin.abort();
});

sshdTest("runInteractive() ends when nobody reads its output any more", async (sshd) => {
  const program = start(sshd, { ...PLAIN, command: ["yes"] });
  const output = program.stdout.getReader();
  await output.read();
  await output.cancel();
  assert.equal((await program.status).code, 141);
  await program.stderr.cancel();
  await program.stdin.abort();
});

sshdTerminalTest("runInteractive() gives the program a terminal of our size and kind", async (sshd) => {
  const command = ["sh", "-c", "test -t 0 && test -t 1 && stty size && echo $TERM && exit 5"];
  const { code, output } = await onTerminal(
    sshd,
    { tty: true, agentForward: false, command },
    "rows 33 cols 101",
  );
  assert.match(output, /33 101\r\nxterm-test\r\n/);
  assert.equal(code, 5);
});

sshdTerminalTest("runInteractive() takes 80 × 24 for a terminal that has no size", async (sshd) => {
  const command = ["stty", "size"];
  const { output } = await onTerminal(sshd, { tty: true, agentForward: false, command }, "rows 0 cols 0");
  assert.match(output, /24 80\r\n/);
});

sshdTerminalTest("runInteractive() puts the terminal back as it was, also after SIGTERM", async (sshd) => {
  for (const [script, expected] of [["exit 3", 3], ["kill -TERM $PPID_HERE; sleep 20", 128 + 15]] as const) {
    const command = ["sh", "-c", script];
    const { code, output } = await onTerminal(
      sshd,
      { tty: true, agentForward: false, command },
      "rows 20 cols 80",
    );
    assert.equal(code, expected, output);
    const modes = [...output.matchAll(/MODES ([0-9a-f:]+)/g)].map((match) => match[1]);
    assert.equal(modes.length, 2, output);
    assert.equal(modes[0], modes[1]);
  }
});

function start(sshd: Sshd, options: InteractiveOptions, env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", PROGRAM, JSON.stringify({ target: sshd.target, options })],
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs it on a pseudo-terminal, which script(1) makes; the terminal's modes are printed before and after. */
async function onTerminal(
  sshd: Sshd,
  options: InteractiveOptions,
  size: string,
): Promise<{ code: number; output: string }> {
  const log = `${sshd.folder}/typescript`;
  const shell = [
    `stty ${size}; echo MODES $(stty -g)`,
    // SIGTERM to the process itself comes from the guest, which for this test is the same computer.
    `sh -c 'exec "$DENO" run -A "$PROGRAM" "$(printf %s "$REQUEST" | sed "s/.PPID_HERE/$$/")"'`,
    "code=$?; echo MODES $(stty -g); exit $code",
  ].join("\n");
  const { code } = await new Deno.Command("script", {
    args: ["-qfec", shell, log],
    env: {
      TERM: "xterm-test",
      DENO: Deno.execPath(),
      PROGRAM,
      REQUEST: JSON.stringify({ target: sshd.target, options }),
      SHELL: "/bin/sh",
    },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return { code, output: await Deno.readTextFile(log) };
}

async function feed(program: Deno.ChildProcess, input: string): Promise<void> {
  const writer = program.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
}

function text(bytes: Uint8Array | undefined): string {
  return new TextDecoder().decode(bytes);
}
