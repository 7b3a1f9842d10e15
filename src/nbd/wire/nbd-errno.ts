/**
 * Error numbers of this machine → the eight that NBD knows.
 *
 * The protocol asks that a write to a read-only export be EPERM and that every kind of "full" be ENOSPC; what it has no
 * word for is EIO. A value that NBD knows stays as it is, so mapping twice does no harm.
 */
import { errno } from "../../base/errno.ts";
import { NbdError } from "./protocol.ts";

/** The error field for an error number of either sign; 0 stays 0 (success). */
export function nbdErrno(error: number): NbdError | 0 {
  switch (Math.abs(error)) {
    case 0:
      return 0;
    case errno.EPERM:
    case errno.EROFS:
      return NbdError.EPERM;
    case errno.ENOMEM:
      return NbdError.ENOMEM;
    case errno.EINVAL:
      return NbdError.EINVAL;
    case errno.ENOSPC:
    case errno.EDQUOT:
    case errno.EFBIG:
      return NbdError.ENOSPC;
    case errno.EOVERFLOW:
      return NbdError.EOVERFLOW;
    case errno.EOPNOTSUPP:
      return NbdError.ENOTSUP;
    case errno.ESHUTDOWN:
      return NbdError.ESHUTDOWN;
    default:
      return NbdError.EIO;
  }
}
