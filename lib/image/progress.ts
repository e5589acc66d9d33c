/** Takes what is being done now, and the share done where it is known (0 to 1). */
export type OnProgress = (text: string, fraction?: number) => void;

/** Share of the whole build at which mmdebstrap's stages end; measured with docker in the image. */
const STAGES: readonly { readonly line: RegExp; readonly text: string; readonly fraction: number }[] = [
  { line: /^I: running apt-get update/, text: "Fetching the package lists", fraction: 0.01 },
  { line: /^I: downloading packages/, text: "Fetching Debian's base", fraction: 0.06 },
  { line: /^I: extracting archives/, text: "Unpacking Debian's base", fraction: 0.14 },
  { line: /^I: installing essential packages/, text: "Installing Debian's base", fraction: 0.18 },
  { line: /^I: installing remaining packages/, text: "Installing packages", fraction: 0.3 },
  { line: /^I: running --customize-hook/, text: "Setting the image up", fraction: 0.83 },
];

/** Shares of the last stage: where its packages have been fetched, unpacked and set up. */
const INSTALL = { start: 0.3, fetched: 0.45, unpacked: 0.65, end: 0.83 } as const;

/** Makes a function that turns mmdebstrap's lines (with --verbose) into progress that never runs backwards. */
export function followBuild(onProgress: OnProgress): (line: string) => void {
  let reached = 0;
  let expected = 0;
  const counts = { Get: 0, Unpacking: 0, "Setting up": 0 };

  function report(text: string, fraction: number): void {
    reached = Math.max(reached, Math.min(fraction, 0.99));
    onProgress(text, reached);
  }

  return (line) => {
    const stage = STAGES.find((candidate) => candidate.line.test(line));
    if (stage) return report(stage.text, stage.fraction);
    const newly = /(\d+) newly installed/.exec(line)?.[1];
    if (newly !== undefined) {
      expected = Number(newly);
      counts.Get = counts.Unpacking = counts["Setting up"] = 0;
    }
    const step = /^(Get|Unpacking|Setting up)(?::\d+ \S+ \S+ \S+)? (\S+)/.exec(line);
    if (!step) return;
    const [, verb, name = ""] = step;
    const kind = verb as keyof typeof counts;
    const share = expected > 0 ? Math.min(1, ++counts[kind] / expected) : 0;
    const text = { Get: "Fetching", Unpacking: "Unpacking", "Setting up": "Setting up" }[kind];
    report(
      `${text} ${name.replace(/:\w+$/, "")}`,
      reached < INSTALL.start ? reached : installed(kind, share),
    );
  };
}

function installed(kind: "Get" | "Unpacking" | "Setting up", share: number): number {
  const { start, fetched, unpacked, end } = INSTALL;
  if (kind === "Get") return start + share * (fetched - start);
  if (kind === "Unpacking") return fetched + share * (unpacked - fetched);
  return unpacked + share * (end - unpacked);
}
