// What a helper (helpers.h) does with its job, outside of the lock: the call that waits, with memory of its own, and copies from and to the arena.
#ifndef SNAPRING_HELPER_WORK_H
#define SNAPRING_HELPER_WORK_H

#include <cstdint>

#include "helper_pool.h"

namespace snapring {

// A helper moves so much with one call; most requests are smaller.
constexpr uint64_t kBounceBytes = 1024 * 1024;

// `job->result` is that of the whole operation.
void perform(Helper* helper);

}  // namespace snapring

#endif
