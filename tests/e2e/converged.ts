import assert from "node:assert/strict";
import type { Sandbox } from "./sandbox.ts";
import { countsOf } from "./traces.ts";

/** Whether nothing differs, found by one round trip that writes nothing. */
export async function assertConverged(sandbox: Sandbox): Promise<void> {
  const { out, err } = await sandbox.expect(0, ["diff"], { env: { MACHINE_TRACE: "counts" } });
  assert.match(out, /No differences/);
  assertOnlyLooked(err);
}

/** Whether a command says, under MACHINE_TRACE=counts, that it did no more than look once. */
export function assertOnlyLooked(stderr: string): void {
  const { roundTrips, connections, bytesWritten } = countsOf(stderr);
  assert.deepEqual({ roundTrips, connections, bytesWritten }, {
    roundTrips: 1,
    connections: 0,
    bytesWritten: 0,
  });
}
