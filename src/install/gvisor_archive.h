/* SPDX-License-Identifier: MIT */
/*
 * A release of gVisor as it comes since September 2026: one archive with the two programs, and beside them a folder
 * `gvisor-bin` of the programs that runsc starts, which have to be of the same release. It is put in place as a folder
 * whose name is its digest; the two programs are links into it, so that one rename changes all of them at once.
 */
#ifndef INSTALL_GVISOR_ARCHIVE_H
#define INSTALL_GVISOR_ARCHIVE_H

#include "base/error.h"

#define GVISOR_SHIM "containerd-shim-runsc-v1"

enum { GVISOR_PARTS_MAX = 34, GVISOR_NAME_SIZE = 64 };

struct gvisor_part {
    char name[GVISOR_NAME_SIZE];
    bool sidecar; /* in gvisor-bin */
    int fd;       /* without a name */
};

struct gvisor_archive {
    struct gvisor_part parts[GVISOR_PARTS_MAX];
    size_t count;
};

/*
 * Unpacks the archive (a tar, compressed with zstd) into files without a name in the open folder `dir`.
 * Errors: IO_FAILED (it is broken, holds something else, lacks one of the two, or is too large).
 */
int gvisor_archive_unpack(struct gvisor_archive *a, int archive, int dir, lrun_error *err);

/*
 * Puts all in place in `dir`, and removes what was put there before the last time. `digest` is the archive's, in hex. Closes
 * the files. The caller sees to it that nobody else does the same there. Errors: IO_FAILED.
 */
int gvisor_archive_install(struct gvisor_archive *a, int dir, const char *digest, lrun_error *err);

void gvisor_archive_free(struct gvisor_archive *a);

#endif
