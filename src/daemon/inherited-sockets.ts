/**
 * The listening sockets that systemd, or whoever started this process as it does (sd_listen_fds(3)), has handed to it.
 *
 *   LISTEN_PID: whose they are   LISTEN_FDS: how many, from descriptor 3 on   LISTEN_FDNAMES: what each is for (FileDescriptorName= of its unit)
 *
 * The variables are taken out of the environment: a child that found them would take our descriptors for its own. node has made sure that none is inherited
 * further. What a descriptor really is shows when it is listened on (engine/inherited-socket.ts).
 */

export interface InheritedSocket {
  readonly fd: number;
  /** "unknown" where nobody has named it. */
  readonly name: string;
}

const FIRST = 3;
/** More than any unit has; a number beyond is a mistake. */
const COUNT_MAX = 1024;

/** Empty where there are none for this process. */
export function inheritedSockets(env: NodeJS.ProcessEnv, pid: number = process.pid): readonly InheritedSocket[] {
  const { LISTEN_PID: owner, LISTEN_FDS: count = "", LISTEN_FDNAMES: names } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  if (Number(owner) !== pid || !/^[0-9]{1,4}$/.test(count) || Number(count) > COUNT_MAX) return [];
  const named = names?.split(":") ?? [];
  return Array.from({ length: Number(count) }, (_, index) => ({
    fd: FIRST + index,
    name: named[index] === undefined || named[index] === "" ? "unknown" : named[index],
  }));
}
