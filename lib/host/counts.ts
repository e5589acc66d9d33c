/** What a command cost, for `MACHINE_TRACE=counts` and the tests that hold it down. */
export interface Counts {
  /** Scripts sent to the guest. */
  readonly roundTrips: number;
  /** ssh connections that this command opened itself. */
  readonly connections: number;
  /** Bytes written to files of the host. */
  readonly bytesWritten: number;
  /** Programs started on the host. */
  readonly processes: number;
}

const counts = { roundTrips: 0, connections: 0, bytesWritten: 0, processes: 0 };

/** Counts one more of something, or `by` more. */
export function count(what: keyof Counts, by = 1): void {
  counts[what] += by;
}

/** What was counted since the command started. */
export function countsSoFar(): Counts {
  return { ...counts };
}
