import { join } from "node:path";
import type { Release } from "./catalogue.ts";

/** Where releases come from, as the machine file says it. */
export interface MirrorSettings {
  /** "official", an address, or the absolute path of a folder. */
  readonly mirror: string;
  /** Nothing is taken from the network. */
  readonly offline: boolean;
}

const OFFICIAL = "https://github.com";

/** A place with releases; its layout is that of the official addresses' paths. */
export type Mirror =
  | { readonly kind: "folder"; readonly folder: string }
  | { readonly kind: "web"; readonly base: string; readonly authorization?: string };

/** Reads `artifacts.mirror`. Name and password in an address become the header that carries them. */
export function mirrorOf({ mirror }: MirrorSettings): Mirror {
  if (mirror === "official") return { kind: "web", base: OFFICIAL };
  if (!/^https?:\/\//.test(mirror)) return { kind: "folder", folder: mirror };
  const url = new URL(mirror);
  const login = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = url.password = "";
  const base = url.href.replace(/\/+$/, "");
  if (login === ":") return { kind: "web", base };
  return { kind: "web", base, authorization: `Basic ${new TextEncoder().encode(login).toBase64()}` };
}

/** What tells a mirror from another, without secrets: for messages and for the list of what came from where. */
export function mirrorName(mirror: Mirror): string {
  return mirror.kind === "folder" ? mirror.folder : mirror.base;
}

/** Where a file is: its address, each part of the path encoded, or its path in the folder. */
export function placeIn(mirror: Mirror, path: Release["path"]): string {
  if (mirror.kind === "folder") return join(mirror.folder, path);
  return `${mirror.base}/${path.split("/").map(encodeURIComponent).join("/")}`;
}
