import { UserError } from "../../host/errors.ts";
import type { World } from "../contract.ts";

const ANSWER_MS = 10_000;

/** The names of the containers that run now: what a restart of dockerd or of the VM stops. */
export async function runningContainers(world: World): Promise<readonly string[]> {
  const answer = await world.platform.docker(world.folder, "/containers/json", ANSWER_MS);
  if (answer.status !== 200) {
    throw new UserError("Docker does not list its containers", { output: answer.body });
  }
  const containers = JSON.parse(answer.body) as readonly { readonly Names: readonly string[] }[];
  return containers.map(({ Names }) => (Names[0] ?? "").replace(/^\//, "")).sort();
}

/**
 * What dockerd keeps now, for a sentence: "12 images and 3 containers in /var/lib/docker".
 * @throws UserError when dockerd does not tell
 */
export async function keptContent(world: World): Promise<string> {
  const answer = await world.platform.docker(world.folder, "/info", ANSWER_MS);
  if (answer.status !== 200) {
    throw new UserError("Docker does not tell what it keeps", { output: answer.body });
  }
  const { Images, Containers, DockerRootDir } = JSON.parse(answer.body) as {
    readonly Images: number;
    readonly Containers: number;
    readonly DockerRootDir: string;
  };
  return `${counted(Images, "image")} and ${counted(Containers, "container")} in ${DockerRootDir}`;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
