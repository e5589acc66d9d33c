/** The door of this room for all that speaks ssh. */
export { type ConnectOptions, connectSsh } from "./connect.ts";
export { type SessionOptions, SshConnection } from "./connection.ts";
export { GuestSession } from "./session.ts";
export { SshError, type SshFailure } from "./ssh_error.ts";
export { ChunkReader, GuestStream } from "./stream.ts";
export { probeSsh, waitForSsh, type WaitForSshOptions } from "./wait.ts";
