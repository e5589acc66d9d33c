import { UserError } from "../../host/errors.ts";
import type { World } from "../contract.ts";

/** The names of the containers that run now: what a restart of dockerd or of the VM stops. */
export async function runningContainers(world: World): Promise<readonly string[]> {
  const answer = await world.platform.docker(world.folder, "/containers/json", 10_000);
  if (answer.status !== 200) {
    throw new UserError("Docker does not list its containers", { output: answer.body });
  }
  const containers = JSON.parse(answer.body) as readonly { readonly Names: readonly string[] }[];
  return containers.map(({ Names }) => (Names[0] ?? "").replace(/^\//, "")).sort();
}
