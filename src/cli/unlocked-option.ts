/**
 * `--unlocked` of every command that writes devices: what it means, in the same words everywhere.
 *
 * It does not leave a lock out that can be had: a device that somebody else has locked is refused all the same.
 */
export const UNLOCKED_HELP =
  "go on where nothing can be locked (no addon and no program flock, or a file system without locks): nobody else may use the devices";
