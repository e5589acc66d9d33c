import { sha256 } from "../../lib/host/files.ts";

/** What a registry serves of one image: what is asked for, with its kind. */
type Blobs = ReadonlyMap<string, { readonly type: string; readonly body: Uint8Array<ArrayBuffer> }>;

const IMAGE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";

/**
 * Answers like a registry that has one image, `NAME:latest`, with one layer (OCI distribution specification, "Pull").
 * @param tar the layer, as a plain tar archive
 */
export function imageServer(name: string, tar: Uint8Array<ArrayBuffer>): (request: Request) => Response {
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const described = (mediaType: string, body: Uint8Array<ArrayBuffer>) => ({
    mediaType,
    digest: `sha256:${sha256(body)}`,
    size: body.length,
  });
  const config = json({
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${sha256(tar)}`] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: IMAGE,
    config: described(CONFIG, config),
    layers: [described(LAYER, tar)],
  });
  const blobs: Blobs = new Map([
    [`/v2/${name}/manifests/latest`, { type: IMAGE, body: manifest }],
    [`/v2/${name}/manifests/sha256:${sha256(manifest)}`, { type: IMAGE, body: manifest }],
    [`/v2/${name}/blobs/sha256:${sha256(config)}`, { type: CONFIG, body: config }],
    [`/v2/${name}/blobs/sha256:${sha256(tar)}`, { type: LAYER, body: tar }],
    ["/v2/", { type: "application/json", body: json({}) }],
    ["/page", { type: "text/plain", body: new TextEncoder().encode("a page\n") }],
  ]);
  return ({ url, method }) => {
    const blob = blobs.get(new URL(url).pathname);
    if (!blob) return new Response("not here", { status: 404 });
    const headers = {
      "content-type": blob.type,
      "content-length": String(blob.body.length),
      "docker-content-digest": `sha256:${sha256(blob.body)}`,
    };
    return new Response(method === "HEAD" ? null : blob.body, { headers });
  };
}
