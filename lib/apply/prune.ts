import { messageOf } from "../host/errors.ts";
import { readRecord } from "../resources/record.ts";
import { machineFolder } from "../host/paths.ts";
import { listMachines } from "./status.ts";

/**
 * Machines that were last applied from a file which no longer declares them. Standard input is no file: what comes
 * from it next time may be something else. Of a machine that was deleted only kept data is left, which is nobody's.
 * @param names the machines that the file declares
 * @param note told of a record that cannot be read, whose file is therefore not known
 */
export async function orphansOf(
  origin: string,
  names: readonly string[],
  note: (text: string) => void = () => {},
): Promise<string[]> {
  if (origin === "-") return [];
  const orphans: string[] = [];
  for (const name of await listMachines()) {
    if (names.includes(name)) continue;
    try {
      const record = await readRecord(machineFolder(name));
      if (record?.origin === origin && record.dataKeptAt === undefined) orphans.push(name);
    } catch (error) {
      note(`Whether machine "${name}" was applied from this file is not known: ${messageOf(error)}`);
    }
  }
  return orphans;
}

/** What is said of a machine that left its file. */
export function orphanNote(name: string): string {
  return `Machine "${name}" is no longer in this file; apply --prune deletes it, its data disk is kept`;
}
