// What the programs of this folder have in common: an expectation that names its place, and a profile of system calls as a container has it.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

// Exit code 1: the place is named.
#define EXPECT(condition)                                                        \
  do {                                                                           \
    if (!(condition)) {                                                          \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
      exit(1);                                                                   \
    }                                                                            \
  } while (0)

namespace snapring {

// For the rest of this process.
template <size_t kLength>
void filterCalls(sock_filter (&filter)[kLength]) {
  const sock_fprog program = {kLength, filter};
  EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

}  // namespace snapring
