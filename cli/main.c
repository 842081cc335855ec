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

struct words {
    bool help;
};

static const struct flag help_flags[] = {FLAG_HELP(struct words), FLAG_END};

static const struct command help_command = {
    .name = "help",
    .usage = "[VERB]",
    .about = "Prints the verbs, or the help of a verb.",
    .flags = help_flags,
    .words = COMPLETE_VERBS,
};

const struct verb verbs[] = {
    {&run_command, verb_run, "run a command in a disposable sandbox"},
    {&attach_command, verb_attach, "wait for a detached run"},
    {&logs_command, verb_logs, "print the output of a detached run"},
    {&stop_command, verb_control, "stop a detached run gracefully"},
    {&cancel_command, verb_control, "kill a detached run"},
    {&pause_command, verb_control, "freeze a detached run"},
    {&resume_command, verb_control, "thaw a detached run"},
    {&ls_command, verb_ls, "list detached runs"},
    {&clean_command, verb_clean, "remove old states, and images of setup steps"},
    {&session_command, verb_session, "execute many commands in one sandbox"},
    {&pool_command, verb_pool, "execute commands in sandboxes that are kept ready"},
    {&image_command, verb_image, "pull, import, list and remove images"},
    {&doctor_command, verb_doctor, "say what works on this machine, and how to fix the rest"},
    {&setup_command, verb_setup, "install gVisor, or prepare VMs of the tier kata"},
    {&verify_command, verb_verify, "show which kernel a tier really runs on"},
    {&network_command, verb_network, "create and remove networks for runs on Docker"},
    {&reap_command, verb_reap, "remove the remains of killed runs"},
    {&rpc_command, verb_rpc, "serve programs in other languages over stdin and stdout"},
    {&completion_command, verb_completion, "print the completion script of a shell"},
    {&version_command, verb_version, "print the version"},
    {&help_command, verb_help, "print this, or the help of a verb"},
    {0},
};

static const struct verb *find_verb(const char *name)
{
    for (const struct verb *v = verbs; v->command; v++)
        if (strcmp(v->command->name, name) == 0)
            return v;
    return NULL;
}

static void print_help(FILE *out)
{
    fputs("usage: light-runner VERB [flags] [arguments]\n\n"
          "Runs code that you did not write in a disposable sandbox.\n\n",
          out);
    for (const struct verb *v = verbs; v->command; v++)
        fprintf(out, "  %-10s %s\n", v->command->name, v->description);
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
    return cli_usage("", false, "unknown verb '%s'", name);
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

/* If this program is started with fd 0, 1 or 2 closed, the next file that it opens gets that
 * number, and what it reads from the file gets mixed up with what it prints. */
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
    /* Even with --json, there is no place left to print a document. */
    lrun_error e = {0};
    error_errno(&e, LRUN_IO_FAILED, "cli.output", errno, "cannot write to the standard output");
    return cli_fail(&e, false);
}
