{
  # liburing is linked statically where it can be, so that the built addon needs no liburing where it runs.
  # binding*.cc speak N-API; everything else is the core, which knows nothing of it.
  # It stays where it was loaded (nodelete): a thread of a device that hangs (helpers.h) may come back when nobody has it loaded any more.
  # It handles what clients and stores send: hardened as a distribution's own packages are (test/native/hardening.test.ts).
  "targets": [
    {
      "target_name": "snapring",
      "sources": [
        "src/binding.cc",
        "src/binding_ring.cc",
        "src/binding_watch.cc",
        "src/device.cc",
        "src/event.cc",
        "src/file_table.cc",
        "src/helper_pool.cc",
        "src/helper_work.cc",
        "src/helpers.cc",
        "src/inline_io.cc",
        "src/notify.cc",
        "src/pages.cc",
        "src/poll.cc",
        "src/request.cc",
        "src/ring.cc",
        "src/socket_io.cc",
        "src/uring.cc",
        "src/uring_setup.cc"
      ],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE", "_FILE_OFFSET_BITS=64"],
      "cflags": ["-O2", "-fstack-protector-strong", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-Wformat", "-Wformat-security"],
      "ldflags": ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack", "-Wl,-z,nodelete"],
      "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"],
      "libraries": ["<!(sh ./liburing.sh)"]
    }
  ]
}
