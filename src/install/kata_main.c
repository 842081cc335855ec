/* SPDX-License-Identifier: MIT */
/*
 * light-runner setup kata: does what the first run in the tier would do. It makes the files that
 * VMs start with, and finds out what can run their code. It downloads nothing; whatever is
 * missing comes from the distribution's packages.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "cli/setup_flags.h"
#include "host/mount.h"
#include "host/process.h"
#include "image/store.h"
#include "install/report.h"
#include "tier/tier.h"
#include "tier/vm/accelerator.h"
#include "tier/vm/guest_files.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* An empty folder in a tmpfs of this process's own, mounted at a place that every machine has. */
#define FOLDER "/dev/pts"
#define ROOT   FOLDER "/root"

struct setup {
    struct kata_words words;
    char *qemu;
    struct guest_files files;
    const char *accelerator;
};

/* For people, because the trial takes seconds. */
static void say(const struct setup *s, const char *what)
{
    if (!s->words.json) {
        printf("%s\n", what);
        fflush(stdout);
    }
}

static int set_up(struct setup *s, lrun_error *err)
{
    const struct tier *tier;
    cleanup_store struct store *store = NULL;
    cleanup_free char *folder = NULL;
    if (geteuid() != 0) {
        error_set(err, LRUN_NOT_SUPPORTED, "setup.kata",
                  "the tier 'kata' takes root on the local engine");
        return error_hint(err, "run as root");
    }
    if (tier_find(&tier, "kata", err) < 0 || tier_find_runtime(tier, &s->qemu, err) < 0 ||
        store_open(&store, true, err) < 0 || store_scratch_folder(store, &folder, err) < 0 ||
        mount_private_namespace(err) < 0 || mount_tmpfs(FOLDER, "mode=0711,size=1m", err) < 0)
        return -1;
    if (mkdir(ROOT, 0755) < 0)
        return error_errno(err, LRUN_START_FAILED, "setup.kata", errno, "cannot make '%s'", ROOT);
    say(s, "making the guest's files");
    if (guest_files_open(&s->files, folder, err) < 0)
        return -1;
    say(s, "trying whether KVM works");
    return accelerator_find(&s->accelerator, s->qemu, &s->files, folder, ROOT, err);
}

static int print_json(const struct setup *s)
{
    json_t *document = json_pack("{ss,ss,ss}", "qemu", s->qemu, "kernel", s->files.release,
                                 "accelerator", s->accelerator);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    return text && puts(text) >= 0 ? 0 : REPORT_FAILED;
}

static int print_text(const struct setup *s)
{
    bool kvm = strcmp(s->accelerator, ACCELERATOR_KVM) == 0;
    printf("%-8s %s\n%-8s %s\n%-8s %s\n", "qemu", s->qemu, "kernel", s->files.release, "code",
           kvm ? "run by the processor (KVM)"
               : "run by an emulator (TCG), slow and no security boundary: KVM does not work here");
    return 0;
}

int main(int argc, char **argv)
{
    struct setup s = {.files = GUEST_FILES_NONE};
    lrun_error e = {0};
    if (flags_parse(&setup_kata_command, &s.words, argc, argv, &e) < 0)
        return report_failure(&e, s.words.json);
    if (s.words.help) {
        flags_help(&setup_kata_command);
        return report_end(0);
    }
    int code = set_up(&s, &e) < 0 ? report_failure(&e, s.words.json)
               : s.words.json     ? print_json(&s)
                                  : print_text(&s);
    guest_files_close(&s.files);
    free(s.qemu);
    return report_end(code);
}
