import { messageOf, UserError } from "../host/errors.ts";
import { SshError } from "../guest/ssh.ts";
import { type Agent, GuestAwayError } from "./agent.ts";
import type { ExecRequest, LookRequest } from "./api.ts";

/** Answers one request to the agent; `stop` is called after the answer to `/v1/stop` was made. */
export async function answer(request: Request, agent: Agent, stop: () => void): Promise<Response> {
  const { pathname } = new URL(request.url);
  try {
    switch (`${request.method} ${pathname}`) {
      case "GET /v1/status":
        return Response.json(await agent.status());
      case "POST /v1/look":
        return Response.json(await agent.look(asLook(await request.json())));
      case "POST /v1/exec":
        return Response.json(await agent.exec(asExec(await request.json())));
      case "POST /v1/config":
        await agent.reload();
        return Response.json(await agent.status());
      case "POST /v1/stop":
        stop();
        return Response.json({});
      default:
        return failure(404, `There is no ${request.method} ${pathname}`);
    }
  } catch (error) {
    return failure(statusOf(error), messageOf(error));
  }
}

function failure(status: number, error: string): Response {
  return Response.json({ error }, { status });
}

/** 503: the guest is away. 504: it did not answer in time. 400: the request is wrong. 500: a bug. */
function statusOf(error: unknown): number {
  if (error instanceof GuestAwayError) return 503;
  if (error instanceof SshError) return error.kind === "timeout" ? 504 : 503;
  if (error instanceof UserError || error instanceof SyntaxError || error instanceof TypeError) return 400;
  return 500;
}

function asLook(body: Partial<LookRequest>): LookRequest {
  if (typeof body?.script !== "string" || typeof body.timeoutMs !== "number" || !Array.isArray(body.mounts)) {
    throw new TypeError('A look needs "script", "mounts" and "timeoutMs"');
  }
  return { script: body.script, mounts: body.mounts, timeoutMs: body.timeoutMs };
}

function asExec(body: Partial<ExecRequest>): ExecRequest {
  if (typeof body?.script !== "string" || typeof body.timeoutMs !== "number") {
    throw new TypeError('A command needs "script" and "timeoutMs"');
  }
  const { script, timeoutMs, stdin, stdinFile } = body;
  return {
    script,
    timeoutMs,
    ...(stdin === undefined ? {} : { stdin }),
    ...(stdinFile === undefined ? {} : { stdinFile }),
  };
}
