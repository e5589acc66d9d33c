import { ARRIVALS, type ArrivingFile } from "./ops.ts";
import { quote } from "./quote.ts";

/** Takes a file from standard input; it is there under its name once every byte of it is right, and on the disk. */
export function arriveScript({ name, digest }: ArrivingFile): string {
  const to = quote(`${ARRIVALS}/${name}`);
  return [
    "set -e",
    "umask 077",
    `mkdir -p ${ARRIVALS}`,
    `cat >${to}.part`,
    `if ! echo ${
      quote(`${digest}  ${ARRIVALS}/${name}.part`)
    } | sha256sum -c --status; then rm -f ${to}.part; ` +
    `echo "It did not arrive as it was sent"; exit 1; fi`,
    `sync ${to}.part`,
    `mv -fT ${to}.part ${to}`,
  ].join("\n");
}
