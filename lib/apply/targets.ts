import { EXIT, UserError } from "../host/errors.ts";
import { limitTo, nearAddresses } from "../plan/target.ts";
import type { Address, Plan } from "../plan/types.ts";

/** Near addresses that an error names at the most. */
const MOST_NEAR = 8;

/**
 * The plan limited to some addresses and what they depend on; the whole plan where none are named.
 * @throws UserError with exit code 3 when one of them names nothing, with the addresses that were perhaps meant
 */
export function limitPlan(plan: Plan, targets: readonly Address[] | undefined): Plan {
  if (targets === undefined || targets.length === 0) return plan;
  const limited = limitTo(plan, targets);
  if (!("unknown" in limited)) return limited;
  const [first = ""] = limited.unknown;
  const near = nearAddresses(plan, first);
  const names = limited.unknown.map((target) => `"${target}"`).join(", ");
  const rest = near.length > MOST_NEAR ? `, and ${near.length - MOST_NEAR} more` : "";
  throw new UserError(`Nothing of machine "${plan.machine}" has the address ${names}`, {
    exitCode: EXIT.invalid,
    hint: `Near it: ${near.slice(0, MOST_NEAR).join(", ")}${rest}; machine diff -v shows every address`,
  });
}
