import assert from "node:assert/strict";
import { join } from "node:path";
import { importBusybox } from "./container_image.ts";
import { pageInGuest } from "./guest_page.ts";
import type { Sandbox } from "./sandbox.ts";

const NAME = "eng";
const PAGE = "from a mounted folder";

const DOCKERFILE = `
FROM bb
COPY page /www/
RUN cat /www/page >/www/copy
# As the first process it heeds no other signal
STOPSIGNAL SIGKILL
CMD ["busybox", "httpd", "-f", "-p", "80", "-h", "/www"]
`;

/** Only BuildKit knows a mount for one step. */
const BUILDKIT_DOCKERFILE = `
FROM app
RUN --mount=type=cache,target=/cache cat /www/page >/cache/page && cat /cache/page >/www/cached
`;

const COMPOSE = `
name: shop
services:
  front: {image: app, ports: ["8081:80"], restart: always, volumes: ["stock:/stock"], depends_on: [back]}
  back: {image: app, restart: always}
volumes: {stock: {}}
`;

/** What one does with Docker all day: build, run, publish a port, keep data, compose; and find it all the next day. */
export async function useDocker(t: Deno.TestContext, sandbox: Sandbox): Promise<void> {
  const folder = join(sandbox.work, "app");
  const inFolder = (...words: string[]) => sandbox.expect(0, ["exec", "-m", NAME, ...words], { cwd: folder });

  await t.step("the host's client builds an image from a Dockerfile in a mounted folder", async () => {
    await importBusybox(sandbox);
    await Deno.mkdir(folder);
    await Deno.writeTextFile(join(folder, "page"), PAGE);
    await Deno.writeTextFile(join(folder, "Dockerfile"), DOCKERFILE);
    await sandbox.docker(["build", "-t", "app", folder], { env: { DOCKER_BUILDKIT: "0" } });
  });

  await t.step("buildx in the guest builds one upon it, in the same folder", async () => {
    await Deno.writeTextFile(join(folder, "Dockerfile.buildkit"), BUILDKIT_DOCKERFILE);
    await inFolder("docker", "buildx", "build", "-f", "Dockerfile.buildkit", "-t", "appx", ".");
    assert.match(await sandbox.docker(["images", "--format", "{{.Repository}}"]), /^appx$/m);
  });

  await t.step("a container serves at its published port, on every address of the guest", async () => {
    const words = ["--restart", "always", "-p", "8080:80", "-v", "data:/data"];
    await sandbox.docker(["run", "-d", "--name", "web", ...words, "appx"]);
    for (const file of ["page", "copy", "cached"]) {
      assert.equal(await pageInGuest(sandbox, NAME, `127.0.0.1:8080/${file}`), PAGE);
    }
    assert.equal(await pageInGuest(sandbox, NAME, "192.168.5.15:8080/page"), PAGE);
    await sandbox.docker(["exec", "web", "sh", "-c", "echo precious >/data/file"]);
  });

  await t.step("compose in the guest runs services that find each other by name", async () => {
    await Deno.writeTextFile(join(folder, "compose.yaml"), COMPOSE);
    await inFolder("docker", "compose", "up", "-d");
    assert.equal(await pageInGuest(sandbox, NAME, "127.0.0.1:8081/page"), PAGE);
    const ask = ["exec", "shop-front-1", "busybox", "wget", "-qO-", "http://back/page"];
    assert.equal(await sandbox.docker(ask), PAGE);
  });

  await t.step("after stop and start, images, containers, volumes and ports are there again", async () => {
    await sandbox.expect(0, ["stop"]);
    await sandbox.expect(0, ["start"]);
    await assertDockerKept(sandbox);
    assert.equal(await pageInGuest(sandbox, NAME, "127.0.0.1:8081/page"), PAGE);
    const { out } = await inFolder("docker", "compose", "ps", "--services", "--status", "running");
    assert.deepEqual(out.trim().split("\n").sort(), ["back", "front"]);
    await inFolder("docker", "compose", "down", "-v", "-t", "0");
  });
}

/** That what {@link useDocker} left behind is there: the images, the container at its port, and its data. */
export async function assertDockerKept(sandbox: Sandbox): Promise<void> {
  const images = await sandbox.docker(["images", "--format", "{{.Repository}}"]);
  for (const image of ["bb", "app", "appx"]) assert.match(images, new RegExp(`^${image}$`, "m"));
  assert.equal(await pageInGuest(sandbox, NAME, "127.0.0.1:8080/cached"), PAGE);
  assert.equal(await sandbox.docker(["exec", "web", "cat", "/data/file"]), "precious");
}
