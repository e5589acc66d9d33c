import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import {
  AUTHORITIES_BUNDLE,
  AUTHORITIES_FOLDER,
  authorityFile,
  refreshAuthoritiesScript,
} from "../../lib/guest/authorities_script.ts";
import { run } from "../../lib/host/process.ts";
import { inFolder } from "./folder_fixture.ts";

/** Folders that the script works in; those of a test lie below its own. */
const PLACES = [
  "/usr/local/share/ca-certificates",
  "/etc/ssl/certs",
  "/etc/ca-certificates",
  "/var/lib/machine",
];
const UPDATE = "/usr/sbin/update-ca-certificates";

/** A system of Debian's in a folder. */
class System {
  constructor(readonly root: string) {}

  static async make(root: string): Promise<System> {
    const system = new System(root);
    await system.write("/usr/share/ca-certificates/mozilla/A.crt", "a");
    await system.write("/usr/share/ca-certificates/mozilla/B.crt", "b\n");
    await system.write(
      "/etc/ca-certificates.conf",
      "# comment\n\nmozilla/B.crt\nmozilla/A.crt\nmozilla/gone.crt\n",
    );
    await system.write(AUTHORITIES_BUNDLE, "b\na\n");
    await system.write(UPDATE, '#!/bin/sh\necho called >>"$0.told"\n');
    await Deno.chmod(join(root, UPDATE), 0o755);
    await system.write("/bin/openssl", '#!/bin/sh\necho "$*" >>"$0.told"\n');
    await Deno.chmod(join(root, "/bin/openssl"), 0o755);
    for (const folder of [...PLACES, "/etc/ca-certificates/update.d"]) {
      await Deno.mkdir(root + folder, { recursive: true });
    }
    return system;
  }

  async write(path: string, text: string): Promise<void> {
    await Deno.mkdir(dirname(this.root + path), { recursive: true });
    await Deno.writeTextFile(this.root + path, text);
  }

  async read(path: string): Promise<string | undefined> {
    return await Deno.readTextFile(this.root + path).catch(() => undefined);
  }

  async refresh(): Promise<{ readonly code: number; readonly said: string }> {
    const place =
      /(?:\/usr\/local\/share\/ca-certificates|\/usr\/share\/ca-certificates|\/etc\/ssl\/certs|\/etc\/ca-certificates|\/var\/lib\/machine|\/usr\/sbin\/)/g;
    const script = refreshAuthoritiesScript().replace(place, (path) => this.root + path);
    const env = { PATH: `${this.root}/bin:${this.root}/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin` };
    const { code, stdout, stderr } = await run(["/bin/sh", "-c", `set -e\n${script}`], { env });
    return { code, said: stdout + stderr };
  }
}

function inSystem(work: (system: System) => Promise<void>): Promise<void> {
  return inFolder("authorities-", async (root) => await work(await System.make(root)));
}

const OURS = authorityFile("0123");
const LINK = "/etc/ssl/certs/machine-0123.pem";

Deno.test("refresh-authorities makes Debian's bundle, with the files of others and ours behind it", () =>
  inSystem(async (system) => {
    await system.write(OURS, "ours\n");
    await system.write(`${AUTHORITIES_FOLDER}/sub/corp.crt`, "corp");
    assert.deepEqual(await system.refresh(), { code: 0, said: "" });
    assert.equal(await system.read(AUTHORITIES_BUNDLE), "b\na\nours\ncorp\n");
    assert.equal(await Deno.readLink(system.root + LINK), system.root + OURS);
    assert.equal(await system.read(`${UPDATE}.told`), undefined);
    assert.match(await system.read("/bin/openssl.told") ?? "", /^rehash .*\/etc\/ssl\/certs\n$/);
  }));

Deno.test("refresh-authorities takes away what has no file any more", () =>
  inSystem(async (system) => {
    await system.write(OURS, "ours\n");
    await system.refresh();
    await Deno.remove(system.root + OURS);
    assert.deepEqual(await system.refresh(), { code: 0, said: "" });
    assert.equal(await system.read(AUTHORITIES_BUNDLE), "b\na\n");
    await assert.rejects(Deno.lstat(system.root + LINK));
  }));

Deno.test("refresh-authorities leaves a bundle alone that is right, so that no daemon seems to have read an older one", () =>
  inSystem(async (system) => {
    await system.write(OURS, "ours\n");
    await system.refresh();
    const inode = async () => (await Deno.stat(system.root + AUTHORITIES_BUNDLE)).ino;
    const before = await inode();
    await system.refresh();
    assert.equal(await inode(), before);
    await system.write(AUTHORITIES_BUNDLE, "b\n");
    await system.refresh();
    assert.equal(await system.read(AUTHORITIES_BUNDLE), "b\na\nours\n");
  }));

Deno.test("refresh-authorities leaves it to Debian's program where others have a say in it", () =>
  inSystem(async (system) => {
    await system.write("/etc/ca-certificates.conf", "!mozilla/A.crt\nmozilla/B.crt\n");
    await system.write(OURS, "ours\n");
    assert.deepEqual(await system.refresh(), { code: 0, said: "" });
    assert.equal(await system.read(`${UPDATE}.told`), "called\n");
    await system.write("/etc/ca-certificates.conf", "mozilla/B.crt\n");
    await system.write("/etc/ca-certificates/update.d/java", "#!/bin/sh\n");
    await Deno.chmod(`${system.root}/etc/ca-certificates/update.d/java`, 0o755);
    assert.equal((await system.refresh()).code, 0);
    assert.equal(await system.read(`${UPDATE}.told`), "called\ncalled\n");
  }));

Deno.test("refresh-authorities says what is missing, and what Debian's program said when it failed", () =>
  inSystem(async (system) => {
    await system.write("/etc/ca-certificates.conf", "!mozilla/A.crt\n");
    await system.write(UPDATE, "#!/bin/sh\necho no room; exit 1\n");
    assert.deepEqual(await system.refresh(), { code: 1, said: "no room\n" });
    await Deno.remove(system.root + UPDATE);
    const { code, said } = await system.refresh();
    assert.equal(code, 1);
    assert.match(said, /no package ca-certificates/);
  }));
