/** One thing that was looked at on this computer. */
export interface Finding {
  /** Stable name, e.g. `program:mmdebstrap`. */
  readonly id: string;
  /** `missing` is in the way of a machine; `unknown` and `warning` are not. */
  readonly state: "ok" | "warning" | "missing" | "unknown";
  /** What was found. */
  readonly what: string;
  /** What it is for, or what follows from it. */
  readonly why: string;
  /** What a person can do about it. */
  readonly remedy?: string;
  /** The package that would put it right. */
  readonly package?: string;
}

/** A package and the reasons to install it. */
export interface NeededPackage {
  readonly name: string;
  readonly why: readonly string[];
}

/** True when something keeps machines from running here. */
export function isBlocking(findings: readonly Finding[]): boolean {
  return findings.some((finding) => finding.state === "missing");
}

/** The packages that put findings right, each once. */
export function neededPackages(findings: readonly Finding[]): readonly NeededPackage[] {
  const reasons = new Map<string, string[]>();
  for (const { state, package: name, why } of findings) {
    if (state !== "ok" && name !== undefined) reasons.set(name, [...reasons.get(name) ?? [], why]);
  }
  return [...reasons].map(([name, why]) => ({ name, why: [...new Set(why)] }));
}
