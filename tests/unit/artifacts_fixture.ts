import { dirname, join } from "node:path";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { type Artifact, type Release, releaseOf } from "../../lib/artifacts/catalogue.ts";
import type { FetchOptions } from "../../lib/artifacts/fetch.ts";
import type { UserError } from "../../lib/host/errors.ts";
import { sha256 } from "../../lib/host/files.ts";
import type { ArtifactStore } from "../../lib/resources/platform.ts";
import { pack } from "tar-stream";

/** A release as nerdctl's: an archive, and a list of checksums for all files. */
export const TOOL: Artifact = {
  name: "tool",
  purpose: "a tool",
  version: "1.2.3",
  arches: ["x86_64", "aarch64"],
  folder: ({ version }) => `corp/tool/releases/download/v${version}`,
  file: ({ version, arch }) => `tool-${version}-linux-${arch}.tar.gz`,
  checksums: () => "SHA256SUMS",
};

/** A release as k3s has it: a "+" in the version, names that differ by architecture, a list for each. */
export const CLUSTER: Artifact = {
  name: "cluster",
  purpose: "a cluster",
  version: "1.33.4+k3s1",
  arches: ["x86_64"],
  folder: ({ version }) => `corp/cluster/releases/download/v${version}`,
  file: ({ arch }) => arch === "amd64" ? "cluster" : `cluster-${arch}`,
  checksums: ({ arch }) => `sha256sum-${arch}.txt`,
};

export const RELEASE: Release = releaseOf(TOOL, { arch: "x86_64" });

/** Bytes that no compression shortens and no shift leaves the same. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** A .tar.gz with files, in this order. */
export async function archiveOf(files: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name, mode: 0o755 }, Buffer.from(content));
  tar.finalize();
  const pieces: Uint8Array[] = [];
  for await (const piece of tar as AsyncIterable<Uint8Array>) pieces.push(piece);
  return gzipSync(Buffer.concat(pieces));
}

/** SHA-512 in hex, as releases of flannel's plugin have it. */
export function sha512(content: Uint8Array): string {
  return createHash("sha512").update(content).digest("hex");
}

/** Writes a release and its list of checksums below a folder: SHA-512 where the list's name says so. */
export async function putRelease(folder: string, release: Release, content: Uint8Array): Promise<void> {
  const isLong = release.checksumPath.endsWith(".sha512");
  const file = join(folder, release.path);
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeFile(file, content);
  await Deno.writeTextFile(
    join(folder, release.checksumPath),
    isLong
      ? `${sha512(content)}  ${release.fileName}\n`
      : `${"0".repeat(64)}  other\n${sha256(content)}  ${release.fileName}\n`,
  );
}

/** A folder for mirrors and caches that is gone with the test. */
export async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "artifacts-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** How a mirror on the network behaves; each can be changed while it runs. */
export interface Manners {
  ranges: boolean;
  etag: string | undefined;
  /** After how many bytes of an answer the connection breaks; only for files of more than 1000 bytes. */
  breaksAfter: number | undefined;
  /** Says nothing more after this many bytes. */
  hangsAfter: number | undefined;
}

export interface WebMirror extends AsyncDisposable {
  readonly url: string;
  readonly manners: Manners;
  /** What was asked for: method, path, and the headers that matter. */
  readonly asked: { readonly path: string; readonly range: string | null; readonly login: string | null }[];
}

/** Serves a folder on loopback with sockets alone, so that it can break off in the middle. */
export function serveMirror(folder: string): WebMirror {
  const manners: Manners = { ranges: true, etag: '"one"', breaksAfter: undefined, hangsAfter: undefined };
  const asked: WebMirror["asked"] = [];
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const open = new Set<Deno.Conn>();
  let isOpen = true;
  const work = (async () => {
    const answers: Promise<void>[] = [];
    for await (const connection of listener) {
      open.add(connection);
      answers.push(
        answer(connection, { folder, manners, asked }).catch(() => {}).finally(() => {
          open.delete(connection);
          try {
            connection.close();
          } catch {
            // closed by the end of the mirror already
          }
        }),
      );
    }
    await Promise.all(answers);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    manners,
    asked,
    async [Symbol.asyncDispose]() {
      if (!isOpen) return;
      isOpen = false;
      listener.close();
      for (const connection of open) connection.close();
      await work;
    },
  };
}

async function answer(
  connection: Deno.Conn,
  { folder, manners, asked }: { folder: string; manners: Manners; asked: WebMirror["asked"] },
): Promise<void> {
  let head = "";
  const buffer = new Uint8Array(4096);
  while (!head.includes("\r\n\r\n")) {
    const length = await connection.read(buffer);
    if (length === null) return;
    head += new TextDecoder().decode(buffer.subarray(0, length));
  }
  const path = decodeURIComponent(/^GET (\S+) /.exec(head)![1]!);
  const header = (name: string) => new RegExp(`^${name}: (.*?)\r?$`, "im").exec(head)?.[1] ?? null;
  const range = header("range");
  asked.push({ path, range, login: header("authorization") });
  const content = await Deno.readFile(join(folder, path)).catch(() => undefined);
  if (content === undefined) {
    await connection.write(
      bytesOf("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    );
    return;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
  const isSame = header("if-range") === manners.etag;
  const isPart = manners.ranges && range !== null && isSame && from < content.length;
  const body = content.subarray(isPart ? from : 0);
  const lines = [
    isPart ? "HTTP/1.1 206 Partial Content" : "HTTP/1.1 200 OK",
    `content-length: ${body.length}`,
    "connection: close",
    ...(isPart ? [`content-range: bytes ${from}-${content.length - 1}/${content.length}`] : []),
    ...(manners.etag === undefined ? [] : [`etag: ${manners.etag}`]),
    "",
    "",
  ];
  await writeAll(connection, bytesOf(lines.join("\r\n")));
  const { breaksAfter, hangsAfter } = manners;
  const most = content.length > 1000 ? breaksAfter ?? hangsAfter ?? Infinity : Infinity;
  await writeAll(connection, body.subarray(0, most));
  if (hangsAfter !== undefined && content.length > 1000) await connection.read(buffer); // until it is given up
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length;) offset += await connection.write(bytes.subarray(offset));
}

/** How the tests fetch: into a cache of their own. */
export function fetchOptions(folder: string, mirror: string, more: Partial<FetchOptions> = {}): FetchOptions {
  return { settings: { mirror, offline: false }, cacheDir: join(folder, "cache"), ...more };
}

/** A store with every archive, whose members say their names; it remembers what it was asked for. */
export function storeOf(failure?: UserError) {
  const fetched: string[] = [];
  const unpacked: string[] = [];
  const store: ArtifactStore = {
    fetch(release) {
      fetched.push(release.fileName);
      if (failure) return Promise.reject(failure);
      const rest = { digest: "d", sizeBytes: 1, checksums: "", wasCached: true };
      return Promise.resolve({ release, path: "/cache/archive", ...rest });
    },
    unpack(_archive, names) {
      unpacked.push(...names);
      const members = names.map((name) => ({
        name,
        path: `/tmp/${name}`,
        sizeBytes: 1,
        digest: sha256(name),
      }));
      return Promise.resolve({ members, [Symbol.asyncDispose]: () => Promise.resolve() });
    },
  };
  return { store, fetched, unpacked };
}
