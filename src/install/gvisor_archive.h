/* SPDX-License-Identifier: MIT */
/*
 * A release of gVisor in the form that it has since September 2026: one archive with the two
 * programs and a folder `gvisor-bin` of programs that runsc starts, which must be of the same
 * release. It is installed as a folder named after its digest. The two programs are links into
 * that folder, so that one rename changes all of them at once.
 */
#ifndef INSTALL_GVISOR_ARCHIVE_H
#define INSTALL_GVISOR_ARCHIVE_H

#include "base/error.h"

#define GVISOR_SHIM "containerd-shim-runsc-v1"

enum { GVISOR_PARTS_MAX = 34, GVISOR_NAME_SIZE = 64 };

struct gvisor_part {
    char name[GVISOR_NAME_SIZE];
    bool sidecar; /* in gvisor-bin */
    int fd;       /* an unnamed file */
};

struct gvisor_archive {
    struct gvisor_part parts[GVISOR_PARTS_MAX];
    size_t count;
};

/*
 * Unpacks the archive (a tar, compressed with zstd) into unnamed files in the open folder `dir`.
 * Errors: IO_FAILED (the archive is corrupt or too large, lacks one of the two programs, or has a
 * program twice, too many programs, or a program that is not a regular file).
 */
int gvisor_archive_unpack(struct gvisor_archive *a, int archive, int dir, lrun_error *err);

/*
 * Installs all programs in `dir`, and removes all releases before the previous one. `digest` is
 * the archive's, in hex. Closes the files. The caller makes sure that nobody else does this in the
 * same folder. Errors: IO_FAILED.
 */
int gvisor_archive_install(struct gvisor_archive *a, int dir, const char *digest, lrun_error *err);

void gvisor_archive_free(struct gvisor_archive *a);

#endif
