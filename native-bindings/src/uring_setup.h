// Sets an io_uring up with the best flags that the kernel takes.
#ifndef SNAPRING_URING_SETUP_H
#define SNAPRING_URING_SETUP_H

#include <cstdint>
#include <liburing.h>

// Debian 12's liburing is older than the kernels it runs on.
#ifndef IORING_SETUP_SUBMIT_ALL
#define IORING_SETUP_SUBMIT_ALL (1U << 7)
#endif
#ifndef IORING_SETUP_COOP_TASKRUN
#define IORING_SETUP_COOP_TASKRUN (1U << 8)
#endif
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#endif
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

namespace snapring {

// 0, or -errno: refused, or without the features that a ring relies on (-ENOSYS).
int setUpUring(io_uring* ring, uint32_t entries, uint32_t completions, uint32_t* flags);

}  // namespace snapring

#endif
