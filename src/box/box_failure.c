/* SPDX-License-Identifier: MIT */
#include "box/box_failure.h"

#include <stdio.h>
#include <string.h>

static const char *const steps[BOX_STEPS] = {
    [BOX_JOIN_USER] = "join the user namespace",
    [BOX_JOIN_NETWORK] = "join the network namespace",
    [BOX_TIE] = "tie the sandbox to its supervisor",
    [BOX_MAKE_PIPE] = "make a pipe for the launcher",
    [BOX_MAKE_PROCESS] = "make the sandbox's first process",
    [BOX_REPORT] = "hear from the sandbox's first process",
    [BOX_SET_LIMITS] = "set the resource limits",
    [BOX_BECOME_ROOT] = "become the sandbox's root",
    [BOX_MAKE_SESSION] = "make a session",
    [BOX_MAKE_KEYRING] = "make a session keyring",
    [BOX_SET_STREAMS] = "set the agent's streams",
    [BOX_RESET_SIGNALS] = "reset the signals",
    [BOX_SET_HOSTNAME] = "set the host name",
    [BOX_RAISE_LOOPBACK] = "bring up the loopback interface",
    [BOX_MAKE_PRIVATE] = "detach from the supervisor's mounts",
    [BOX_MAKE_FILESYSTEM] = "make the file system for",
    [BOX_SET_SETTING] = "set the kernel's setting",
    [BOX_PLACE_ROOT] = "mount the sandbox's root",
    [BOX_RUN_HOOK] = "run the hook",
    [BOX_ENTER_ROOT] = "enter the sandbox's root",
    [BOX_LEAVE_HOST] = "leave the host's mounts",
    [BOX_FIND_PLACE] = "find the place for",
    [BOX_ATTACH] = "mount",
    [BOX_MAKE_DEVICE] = "make the device",
    [BOX_MAKE_LINK] = "make the link",
    [BOX_MASK] = "hide",
    [BOX_PROTECT] = "protect",
    [BOX_DROP_CAPABILITIES] = "give up capabilities",
    [BOX_INSTALL_FILTER] = "install the seccomp filter",
    [BOX_KEEP_PRIVILEGES] = "forbid new privileges",
    [BOX_CLOSE_FILES] = "close open files",
    [BOX_EXECUTE] = "execute the agent",
};

void box_failure_text(const struct box_failure *f, char text[BOX_FAILURE_TEXT])
{
    const char *step = f->step >= 0 && f->step < BOX_STEPS ? steps[f->step] : "build the sandbox";
    const char *reason = strerrordesc_np(f->error);
    char code[32];
    snprintf(code, sizeof(code), "it ended with code %d", f->code);
    snprintf(text, BOX_FAILURE_TEXT, "cannot %s%s%.60s: %s", step, f->what[0] ? " " : "", f->what,
             f->code  ? code
             : reason ? reason
                      : "unknown error");
}
