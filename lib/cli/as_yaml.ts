import { loadMachines } from "../config/load.ts";
import type { Machine } from "../config/types.ts";
import { type HostFacts, hostFacts } from "../host/system.ts";
import type { Change, Plan } from "../plan/types.ts";
import { asYaml } from "../ui/as_yaml.ts";
import { fileKeys } from "./file_keys.ts";

/**
 * What is there now as the text of a machine file that is valid on this computer: a value that the file could not
 * have, e.g. a mount's source that does not exist, is told in a comment.
 */
export async function validYaml(plan: Plan, machine: Machine, host?: HostFacts): Promise<string> {
  const keys = fileKeys(machine);
  const facts = host ?? await hostFacts();
  const changes = [];
  for (const line of plan.changes) {
    const paths: Change[] = [];
    for (const path of line.paths) {
      const alone = asYaml({ ...plan, changes: [{ ...line, paths: [path] }] }, keys);
      const { ok } = await loadMachines({ stdin: true, text: alone }, facts);
      paths.push(ok ? path : { ...path, isTold: true });
    }
    changes.push({ ...line, paths });
  }
  return asYaml({ ...plan, changes }, keys);
}
