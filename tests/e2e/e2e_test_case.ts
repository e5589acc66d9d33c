import { findProgram } from "../../lib/host/process.ts";

/** A program that end-to-end tests need of the host, and the package that brings it. */
interface Need {
  readonly program: string;
  readonly package: string;
}

/** What every end-to-end test needs. */
const NEEDS: readonly Need[] = [
  { program: "qemu-system-x86_64", package: "qemu-system-x86" },
  { program: "qemu-img", package: "qemu-utils" },
  { program: "mmdebstrap", package: "mmdebstrap" },
  { program: "mke2fs", package: "e2fsprogs" },
  { program: "docker", package: "docker.io or docker-cli" },
];

/** The statically linked busybox, of which the tests make their container image. */
export const BUSYBOX: Need = { program: "busybox", package: "busybox-static" };

/** What makes certificates. */
export const OPENSSL: Need = { program: "openssl", package: "openssl" };

/** What a test needs beyond the usual. */
export interface TestNeeds {
  readonly programs?: readonly Need[];
  /** Says what else is missing here; `undefined` when nothing is. */
  readonly lacks?: () => Promise<string | undefined> | string | undefined;
}

/**
 * A test on a real guest. Where the host lacks something it is skipped, and its name says what; on a build machine
 * (`CI=true`) that is a failure, because there the host is meant to be complete.
 */
export async function e2eTest(
  name: string,
  test: (t: Deno.TestContext) => Promise<void>,
  needs: TestNeeds = {},
): Promise<void> {
  const reason = await whyNot(needs);
  if (reason === undefined) return Deno.test(name, test);
  if (Deno.env.get("CI") === "true") {
    return Deno.test(name, () => {
      throw new Error(`This build machine lacks what the test needs: ${reason}`);
    });
  }
  Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn: test });
}

async function whyNot({ programs = [], lacks }: TestNeeds): Promise<string | undefined> {
  const missing = [];
  for (const need of [...NEEDS, BUSYBOX, ...programs]) {
    if (await findProgram(need.program) === undefined) missing.push(`${need.program} (${need.package})`);
  }
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  return await lacks?.();
}
