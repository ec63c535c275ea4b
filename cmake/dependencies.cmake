# The libraries, all packages of Debian 12 and its backports.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(RAFT QUIET IMPORTED_TARGET raft)
if(NOT RAFT_FOUND)
    message(FATAL_ERROR "libraft is missing. Postoffice needs version 0.22.1 "
        "of libraft-dev, which Debian 12 has in bookworm-backports; "
        "scripts/run installs it.")
endif()
# Its step core has known defects, each with a guard in raft/guard.c that was
# tested against exactly this version; older ones lose committed entries.
if(NOT RAFT_VERSION VERSION_EQUAL "0.22.1")
    message(FATAL_ERROR "libraft ${RAFT_VERSION} was found, but Postoffice "
        "works with 0.22.1 alone: Debian 12's own 0.15.0 loses committed "
        "entries, and newer ones have not been tested with raft/guard.c. "
        "scripts/run installs the right one from bookworm-backports.")
endif()
pkg_check_modules(UV REQUIRED IMPORTED_TARGET libuv)
pkg_check_modules(LMDB REQUIRED IMPORTED_TARGET lmdb)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(H2O REQUIRED IMPORTED_TARGET libh2o)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(UUID REQUIRED IMPORTED_TARGET uuid)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl)
