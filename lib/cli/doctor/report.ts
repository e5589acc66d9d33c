import type { Style } from "../../ui/style.ts";
import { type Finding, isBlocking, type NeededPackage } from "./finding.ts";

/** The findings as text, a line each; what is not right says why it matters and what to do. */
export function reportText(findings: readonly Finding[], style: Style): string {
  const lines = findings.flatMap((finding) => {
    const head = `${symbolOf(finding.state, style)} ${finding.what}`;
    if (finding.state === "ok") return [`${head}  ${style.dim(finding.why)}`];
    const remedy = finding.remedy === undefined ? [] : [`    ${style.dim("remedy:")} ${finding.remedy}`];
    return [head, `    ${finding.why}`, ...remedy];
  });
  return [...lines, closingLine(findings, style)].join("\n") + "\n";
}

/** The findings as JSON data. */
export function reportJson(findings: readonly Finding[]): unknown {
  return {
    formatVersion: "1",
    ready: !isBlocking(findings),
    findings: findings.map(({ id, state, what, why, remedy, package: name }) => ({
      id,
      state,
      what,
      why,
      remedy: remedy ?? null,
      package: name ?? null,
    })),
  };
}

/** Says what will be installed and why, before it is. */
export function packagesText(packages: readonly NeededPackage[], masked: readonly string[]): string {
  const width = Math.max(...packages.map((entry) => entry.name.length));
  const lines = packages.map((entry) => `  ${entry.name.padEnd(width)}  ${entry.why.join("; ")}`);
  const mask = masked.length === 0 ? [] : [
    `Only Docker's client is wanted: ${masked.join(", ")} will be masked, so that no daemon starts here`,
    `(undo with: systemctl unmask ${masked.join(" ")})`,
  ];
  return ["Packages to install:", ...lines, ...mask].join("\n") + "\n";
}

function closingLine(findings: readonly Finding[], style: Style): string {
  const missing = findings.filter((finding) => finding.state === "missing");
  if (missing.length === 0) return style.green("This computer is ready.");
  const fixable = missing.some((finding) => finding.package !== undefined);
  const next = fixable ? " machine doctor --fix installs what packages bring." : "";
  return style.red(`${missing.length} ${missing.length === 1 ? "thing is" : "things are"} in the way.`) +
    next;
}

function symbolOf(state: Finding["state"], style: Style): string {
  switch (state) {
    case "ok":
      return style.green("✓");
    case "warning":
      return style.yellow("!");
    case "unknown":
      return style.yellow("?");
    case "missing":
      return style.red("✗");
  }
}
