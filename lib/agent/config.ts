import { messageOf, UserError } from "../host/errors.ts";
import { readTextIfPresent, sha256 } from "../host/files.ts";
import type { AgentConfig } from "./api.ts";

/** An `agent.json` as read, with the hash that tells whether it is the one in force. */
export interface LoadedAgentConfig {
  readonly config: AgentConfig;
  /** SHA-256 of the file's bytes. */
  readonly hash: string;
}

/**
 * Reads an `agent.json`.
 * @throws UserError when it is missing or not one
 */
export async function readAgentConfig(path: string): Promise<LoadedAgentConfig> {
  const text = await readTextIfPresent(path);
  if (text === undefined) {
    throw new UserError(`The agent's settings ${path} are missing`, { hint: "machine apply writes them" });
  }
  return { config: parseAgentConfig(text, path), hash: sha256(text) };
}

function parseAgentConfig(text: string, path: string): AgentConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(path, messageOf(error), error);
  }
  if (!isAgentConfig(value)) throw invalid(path, "a field is missing or has another type");
  return value;
}

function isAgentConfig(value: unknown): value is AgentConfig {
  return isObject(value) && typeof value["machine"] === "string" && isObject(value["root"]) &&
    hasStrings(value["root"], ["host", "user", "identityFile", "hostKeyFile"]) &&
    typeof value["root"]["port"] === "number" &&
    isListOf(value["sockets"], ["host", "guest"]) && isListOf(value["mounts"], ["source", "target"]);
}

function isListOf(value: unknown, strings: readonly string[]): boolean {
  return Array.isArray(value) && value.every((entry) => isObject(entry) && hasStrings(entry, strings));
}

function hasStrings(value: Record<string, unknown>, names: readonly string[]): boolean {
  return names.every((name) => typeof value[name] === "string");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(path: string, why: string, cause?: unknown): UserError {
  return new UserError(`The agent's settings ${path} cannot be used: ${why}`, {
    hint: "machine apply writes them anew",
    cause,
  });
}
