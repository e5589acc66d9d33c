import { readHistory } from "../apply/history.ts";
import { knownMachine } from "../apply/operation.ts";
import { EXIT } from "../host/errors.ts";
import { displayPath } from "../host/paths.ts";
import { equal } from "../plan/equal.ts";
import { dataText } from "../ui/data_text.ts";
import { historyText } from "../ui/history_text.ts";
import { maskSecrets } from "../ui/value.ts";
import type { HistoryCommand } from "./command.ts";
import { type Context, styleOf } from "./context.ts";
import { nameTarget } from "./target.ts";

/** `machine history`: the forms that can be gone back to, the newest last. */
export async function runHistory(command: HistoryCommand, context: Context): Promise<number> {
  const name = await nameTarget(command, context);
  const { folder, record } = await knownMachine(name);
  const { forms, damaged } = await readHistory(folder);
  for (const { file, reason } of damaged) context.err.write(`${file} is damaged and left out: ${reason}\n`);
  const present = forms.findLast(({ machine }) => equal(machine, record.machine))?.number;
  if (command.output !== "text") {
    const rows = forms.map(({ number, appliedAt, origin, changed, machine }) => ({
      number,
      appliedAt,
      origin,
      changed,
      present: number === present,
      machine: maskSecrets("", machine),
    }));
    context.out.write(dataText({ formatVersion: "1", machine: name, forms: rows, damaged }, command.output));
    return EXIT.done;
  }
  const rows = forms.map(({ number, appliedAt, origin, changed }) => ({
    number,
    appliedAt,
    origin: origin === "-" ? "standard input" : displayPath(origin),
    changed,
    isPresent: number === present,
  }));
  const columns = context.out.isTerminal && !command.verbose ? context.out.columns : undefined;
  context.out.write(historyText(rows, { style: styleOf(context.out, command, context), columns }));
  return EXIT.done;
}
