/* SPDX-License-Identifier: MIT */
#include "setup_flags.h"

static const struct flag gvisor_flags[] = {
    FLAG_STRING("release", struct gvisor_words, release, "NAME",
                "latest (default), or a release: 20260901.0, release-20260901.0",
                .choices = "latest"),
    FLAG_STRING("mirror", struct gvisor_words, mirror, "URL", "instead of " GVISOR_MIRROR),
    FLAG_STRING("prefix", struct gvisor_words, prefix, "FOLDER",
                "where the programs go (default: /usr/local/bin)", .choices = COMPLETE_FOLDERS),
    FLAG_NO("no-docker", struct gvisor_words, docker, "leave Docker alone"),
    FLAG_STRING("daemon-json", struct gvisor_words, daemon_json, "FILE",
                "its configuration (default: /etc/docker/daemon.json)", .choices = COMPLETE_FILES),
    FLAG_STRING("docker-pid", struct gvisor_words, pid_file, "FILE",
                "file with its process id (default: /var/run/docker.pid)",
                .choices = COMPLETE_FILES),
    FLAG_STRING("name", struct gvisor_words, runtime, "NAME",
                "name of the runtime in Docker (default: runsc)"),
    FLAG_SWITCH("dry-run", struct gvisor_words, dry_run, "print the steps, and do nothing"),
    FLAG_JSON(struct gvisor_words, "print one JSON object"),
    FLAG_HELP(struct gvisor_words),
    FLAG_END,
};

const struct command setup_gvisor_command = {
    .name = "setup gvisor",
    .usage = "[flags]",
    .about =
        "Installs gVisor, for the tier runsc, and registers it with Docker if it is installed.",
    .flags = gvisor_flags,
    .notes =
        "The download is compared with the server's SHA-512 before anything is moved. Releases "
        "since\nSeptember 2026 have more programs, which runsc looks for beside itself: they go "
        "into a folder\nof their own, and the names in the --prefix are links into it.",
    .no_words = true,
};

static const struct flag kata_flags[] = {
    FLAG_JSON(struct kata_words, "print one JSON object"),
    FLAG_HELP(struct kata_words),
    FLAG_END,
};

const struct command setup_kata_command = {
    .name = "setup kata",
    .usage = "[--json]",
    .about =
        "Prepares the tier kata of the local engine: one virtual machine per run. Needs QEMU and "
        "a\n"
        "kernel in /boot, makes the initramfs that machines are started with, and tries whether\n"
        "KVM works here. The first run does the same; this shows how it went.",
    .flags = kata_flags,
    .notes =
        "LIGHT_RUNNER_QEMU          another QEMU than the one in PATH\n"
        "LIGHT_RUNNER_GUEST_KERNEL  another kernel than the newest: a release, as in /lib/modules",
    .no_words = true,
};
