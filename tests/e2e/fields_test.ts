import { e2eTest } from "./e2e_test_case.ts";
import { fullFile, plainFile } from "./fields_file.ts";
import { guestState, MADE_BY_STEPS } from "./guest_state.ts";
import { LOCAL_REPOSITORY } from "./local_repository.ts";
import { Sandbox } from "./sandbox.ts";
import { drift } from "./scenario_drift.ts";
import { installFromDebian, outfit } from "./scenario_fields.ts";
import { useLinkedFile } from "./scenario_file.ts";
import { killAnywhere } from "./scenario_killed.ts";
import { changeLogin, deleteDisks, takeOut } from "./scenario_removal.ts";
import { growLarge } from "./scenario_size.ts";

await e2eTest(
  "everything that a file puts into a guest comes, is kept as it is, and goes again",
  async (t) => {
    await using sandbox = await Sandbox.make();
    const folder = `${sandbox.root}/host folder`;
    await Deno.mkdir(folder);
    await Deno.writeFile(`${folder}/binary`, Uint8Array.from({ length: 256 }, (_, index) => index));
    const [plain, full] = [plainFile(folder), fullFile(folder)];
    await sandbox.write({ ...plain });
    await sandbox.expect(0, ["apply"]);
    await sandbox.inGuest(plain.name, LOCAL_REPOSITORY);
    const before = await guestState(sandbox, plain.name, MADE_BY_STEPS);
    await outfit(t, sandbox, full);
    await drift(t, sandbox, full);
    const fullState = await guestState(sandbox, plain.name, MADE_BY_STEPS);
    await takeOut(t, sandbox, { plain, before });
    await killAnywhere(t, sandbox, { plain, full, plainState: before, fullState });
    await changeLogin(t, sandbox, plain);
    await useLinkedFile(t, sandbox, plain);
    await growLarge(t, sandbox, plain);
    await installFromDebian(t, sandbox, plain);
    await deleteDisks(t, sandbox);
  },
);
