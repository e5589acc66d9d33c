/** Mutants that change nothing which anybody could notice, with the reason. One that is noticed may not be in here. */
export const EXCUSED: Readonly<Record<string, string>> = {
  "image: undo does nothing": "images are shared by machines: none takes one away",
  "image: apply does nothing": "the disk that stands on it builds it where nothing has before",
  "image: it depends on nothing": "it does not",
  "image: what it finds afterwards is nothing": "only its being there is compared",
  "image: nothing differs": "only its being there is compared",
  "disk:data: it depends on nothing": "it does not",
  "disk:system: undo does nothing": "the folder that it lies in goes with the machine",
  "package: what it finds afterwards is nothing": "only its being there is compared",
  "package: nothing differs": "only its being there is compared",
  "login: what it finds afterwards is nothing": "it finds what is wrong, and nothing is",
  "hostname: undo does nothing": "there is no guest without one",
  "hostname: removing it costs more or less": "there is no guest without one",
  "timezone: removing it costs more or less": "there is no guest without one",
  "vm: undo does nothing": "the removal of its disks stops it, too",
  "socket: undo does nothing": "the agent takes away the file of a socket that it is no longer to keep",
  "timezone: undo does nothing": "there is no guest without one",
};
