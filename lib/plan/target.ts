import type { Address, Plan, PlannedChange } from "./types.ts";

/**
 * Keeps the lines that are named and everything that they depend on, drops the rest. A kind alone, e.g. `mount`,
 * names all of that kind. What a kept removal would pull the ground from under is removed with it.
 * @returns the limited plan, or the targets that name no line
 */
export function limitTo(
  plan: Plan,
  targets: readonly Address[],
): Plan | { readonly unknown: readonly Address[] } {
  const unknown = targets.filter((target) => !plan.changes.some(({ address }) => isNamed(address, target)));
  if (unknown.length > 0) return { unknown };
  const kept = new Set<Address>();
  for (const { address } of plan.changes) {
    if (targets.some((target) => isNamed(address, target))) keep(plan, address, kept);
  }
  const changes = plan.changes.filter(({ address }) => kept.has(address));
  const grows = changes.some(({ action }) => action === "deferred" || action === "recreate");
  return { machine: plan.machine, changes, complete: !grows, targets: [...targets] };
}

/** Addresses of a plan that a target which names none of them may have meant: of its kind, or with its words. */
export function nearAddresses(plan: Plan, target: Address): readonly Address[] {
  const addresses = plan.changes.map(({ address }) => address);
  const [kind = "", ...rest] = target.split(":");
  const id = rest.join(":");
  const sameKind = addresses.filter((address) => isNamed(address, kind));
  if (sameKind.length > 0) return sameKind;
  const similar = addresses.filter((address) =>
    address.includes(id === "" ? kind : id) || kind.length > 2 && address.startsWith(kind.slice(0, 3))
  );
  return similar.length > 0 ? similar : addresses;
}

function isNamed(address: Address, target: Address): boolean {
  return address === target || address.startsWith(`${target}:`);
}

function keep(plan: Plan, address: Address, kept: Set<Address>): void {
  if (kept.has(address)) return;
  const line = plan.changes.find((change) => change.address === address);
  if (!line) return; // depends on something that this machine has not
  kept.add(address);
  for (const needed of line.dependsOn) keep(plan, needed, kept);
  if (line.action !== "delete") return;
  for (const other of plan.changes) {
    if (isRemovalOn(other, address)) keep(plan, other.address, kept);
  }
}

function isRemovalOn(change: PlannedChange, address: Address): boolean {
  return change.action === "delete" && change.dependsOn.includes(address);
}
