/* SPDX-License-Identifier: MIT */
/*
 * light-runner: the table of verbs.
 */
#include "verbs.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int verb_help(int argc, char **argv);

static const struct verb verbs[] = {
    {"run", verb_run, "run a command in a disposable sandbox"},
    {"attach", verb_attach, "wait for a detached run"},
    {"logs", verb_logs, "print the output of a detached run"},
    {"stop", verb_control, "end a detached run gently"},
    {"cancel", verb_control, "end a detached run at once"},
    {"pause", verb_control, "freeze a detached run"},
    {"resume", verb_control, "thaw a detached run"},
    {"ls", verb_ls, "list detached runs"},
    {"clean", verb_clean, "remove old states, and images of setup steps"},
    {"image", verb_image, "pull, import, list and remove images"},
    {"doctor", verb_doctor, "what works on this machine, and what mends the rest"},
    {"setup", verb_setup, "install gVisor; prepare VMs of the tier kata"},
    {"verify", verb_verify, "show which kernel a tier really runs on"},
    {"network", verb_network, "create and remove networks for runs on Docker"},
    {"reap", verb_reap, "remove what killed runs left behind"},
    {"version", verb_version, "print the version"},
    {"help", verb_help, "print this, or the help of a verb"},
    {0},
};

static const struct verb *find_verb(const char *name)
{
    for (const struct verb *v = verbs; v->name; v++)
        if (strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

static void print_help(FILE *out)
{
    fputs("usage: light-runner VERB [flags] [arguments]\n\n"
          "Runs code that you did not write in a disposable sandbox.\n\n",
          out);
    for (const struct verb *v = verbs; v->name; v++)
        fprintf(out, "  %-9s %s\n", v->name, v->description);
    fputs("\n'light-runner VERB --help' says more about one of them.\n"
          "\n"
          "  light-runner image import rootfs.tar my-image\n"
          "  light-runner run my-image -- echo hello\n"
          "\n"
          "Exit codes: the program's own (128+N for a signal), or 125 for a failure of "
          "light-runner.\n",
          out);
}

static int unknown_verb(const char *name)
{
    return cli_usage("", false, "no verb named '%s'", name);
}

static int verb_help(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    const struct verb *v = find_verb(name);
    if (!v && strcmp(name, "--help") != 0 && strcmp(name, "-h") != 0)
        return unknown_verb(name);
    if (!v || v->function == verb_help) {
        print_help(stdout);
        return 0;
    }
    char *arguments[] = {argv[1], (char *)"--help", NULL};
    return v->function(2, arguments);
}

/* A program started with 0, 1 or 2 closed would get one of them for the next file that it opens,
 * and mix what it reads there with what it prints. */
static void open_standard_fds(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY) < 0)
            _exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    if (argc < 2) {
        print_help(stderr);
        return CLI_FAILED;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0)
        name = argv[1] = (char *)"version";
    const struct verb *v = find_verb(name);
    if (!v)
        return unknown_verb(name);
    int code = v->function(argc - 1, argv + 1);
    if (!ferror(stdout) && fflush(stdout) == 0)
        return code;
    /* With --json there is nowhere left to print a document. */
    lrun_error e = {0};
    error_errno(&e, LRUN_IO_FAILED, "cli.output", errno, "cannot write to the standard output");
    return cli_fail(&e, false);
}
