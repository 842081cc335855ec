/* SPDX-License-Identifier: MIT */
/*
 * Replaces light-runner-supervisor in tests of the library: it reads the order as the real
 * supervisor does, and then does what the order's `entrypoint` says. It creates no sandbox.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "wire/frame.h"
#include "wire/order.h"
#include "wire/result.h"
#include "json/error_json.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { CALLER = 3, CALLER_CANCEL = 4, CANCEL = 5 };

static void send_frame(enum frame_type type, const char *text, size_t length)
{
    char header[FRAME_HEADER_SIZE];
    /* Frames about a command are about the only one. */
    frame_header(header, type, frame_number_fits((uint8_t)type, FRAME_SANDBOX) ? 0 : FRAME_COMMAND,
                 (uint32_t)length);
    if (io_write_all(CALLER, header, sizeof(header), IO_NO_DEADLINE) < 0 ||
        io_write_all(CALLER, text, length, IO_NO_DEADLINE) < 0)
        _exit(9);
}

static void send_text(enum frame_type type, const char *text)
{
    send_frame(type, text, strlen(text));
}

static void send_result(const struct run_order *order, int code, bool cancelled)
{
    struct run_result r = {.exit_code = code,
                           .cancelled = cancelled,
                           .success = code == 0 && !cancelled,
                           .id = order->id};
    json_t *document = result_to_json(&r);
    char *text = json_dumps(document, 0);
    send_text(FRAME_RESULT, text);
    free(text);
    json_decref(document);
}

static void send_error(lrun_code code, const char *message)
{
    lrun_error e = {.code = code};
    snprintf(e.message, sizeof(e.message), "%s", message);
    snprintf(e.hint, sizeof(e.hint), "a hint");
    json_t *document = error_to_json(&e);
    char *text = json_dumps(document, 0);
    send_text(FRAME_ERROR, text);
    free(text);
    json_decref(document);
}

static void read_order(struct run_order *order)
{
    static struct buffer in;
    struct frame f;
    buffer_init(&in, FRAME_HEADER_SIZE + FRAME_CALLER_MAX);
    while (frame_peek(&in, FRAME_CALLER_MAX, &f) == FRAME_PARTIAL) {
        char c[4096];
        ssize_t n = read(CALLER, c, sizeof(c));
        if (n <= 0 || !buffer_append(&in, c, (size_t)n))
            _exit(8);
    }
    lrun_error e;
    if (f.type == FRAME_QUESTION) {
        send_text(FRAME_RESULT, "{\"containers\":3,\"volumes\":4}");
        _exit(0);
    }
    if (f.type != FRAME_REQUEST || order_parse(order, f.payload, f.length, &e) < 0)
        _exit(7);
}

/* Copies stdin to the log. */
static void echo_input(void)
{
    char data[65536];
    ssize_t n;
    while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
        send_frame(FRAME_LOG_STDOUT, data, (size_t)n);
}

static void list_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    char text[1024] = "";
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir))
            strcat(strcat(text, entry->d_name), " ");
    closedir(dir);
    send_text(FRAME_LOG_STDOUT, text);
}

/* Sends the kind of each fd, in the order of their numbers. Skips stderr, which is the caller's. */
static void list_kinds(void)
{
    char text[2048] = "";
    for (int fd = 0; fd <= CANCEL; fd++) {
        char path[64], target[256];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (fd == STDERR_FILENO || n < 0)
            continue;
        target[n] = '\0';
        target[strcspn(target, " 0123456789")] = '\0'; /* inode numbers, "(deleted)" */
        strcat(strcat(text, target), " ");
    }
    send_text(FRAME_LOG_STDOUT, text);
}

/* Sends the options as they have arrived in the request. */
static void list_options(const struct request *r)
{
    char text[256];
    snprintf(text, sizeof(text), "memory=%llu cpus=%g runtime=%s gpus=%s",
             (unsigned long long)r->memory_bytes, r->cpus, r->runtime, r->gpus ? r->gpus : "");
    send_text(FRAME_LOG_STDOUT, text);
}

static void describe(void)
{
    char text[256];
    sigset_t blocked;
    struct sigaction pipe_action;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    sigaction(SIGPIPE, NULL, &pipe_action);
    snprintf(text, sizeof(text), "leader=%d blocked=%d sigpipe=%s", getsid(0) == getpid(),
             sigismember(&blocked, SIGUSR1),
             pipe_action.sa_handler == SIG_DFL ? "default" : "other");
    send_text(FRAME_LOG_STDOUT, text);
}

static void wait_for_cancel(const struct run_order *order)
{
    struct pollfd p[3] = {
        {.fd = CALLER_CANCEL, .events = POLLIN},
        {.fd = CANCEL, .events = POLLIN},
        {.fd = CALLER, .events = POLLIN},
    };
    poll(p, 3, 60000);
    if (p[2].revents)
        _exit(6);
    send_text(FRAME_LOG_STDERR, p[0].revents ? "by the caller's fd" : "by the handle");
    send_result(order, 137, true);
}

static void send_answer(const json_t *request, const char *error)
{
    json_t *document = json_pack("{sO}", "number", json_object_get(request, "number"));
    if (error)
        json_object_set_new(document, "error",
                            json_pack("{ss,ss}", "code", "INTERNAL", "message", error));
    char *text = json_dumps(document, 0);
    send_text(FRAME_CONTROLLED, text);
    free(text);
    json_decref(document);
}

/*
 * Reads frames until a frame asks for the end or the caller cancels. Answers each frame. If `late`
 * is set, answers the first frame only after the second has come, and the second with an error.
 */
static void serve_controls(const struct run_order *order, bool late)
{
    static struct buffer in;
    json_t *first = NULL;
    struct frame f;
    buffer_init(&in, 65536);
    for (;;) {
        struct pollfd p[2] = {{CALLER, POLLIN, 0}, {CANCEL, POLLIN, 0}};
        char c[4096];
        poll(p, 2, 60000);
        if (p[1].revents)
            break;
        ssize_t n = read(CALLER, c, sizeof(c));
        if (n <= 0 || !buffer_append(&in, c, (size_t)n))
            _exit(6);
        while (frame_peek(&in, 4096, &f) == FRAME_OK) {
            json_t *said = json_loadb(f.payload, f.length, 0, NULL);
            const char *action = json_string_value(json_object_get(said, "action"));
            bool last = f.type != FRAME_CONTROL || !action || strcmp(action, "stop") == 0;
            send_text(FRAME_LOG_STDOUT, "told ");
            send_text(FRAME_LOG_STDOUT, action ? action : "nothing");
            send_text(FRAME_LOG_STDOUT, "\n");
            if (late && !first) {
                first = json_incref(said);
                last = false;
            } else if (late) {
                send_answer(first, NULL);
                send_answer(said, "it cannot be done");
                json_decref(first);
                last = true;
            } else {
                send_answer(said, NULL);
            }
            json_decref(said);
            frame_consume(&in, &f);
            if (last) {
                send_result(order, 143, true);
                return;
            }
        }
    }
    send_result(order, 137, true);
}

static void flood(void)
{
    static char block[FRAME_DATA_MAX];
    memset(block, 'x', sizeof(block));
    for (size_t i = 79; i < sizeof(block); i += 80)
        block[i] = '\n';
    for (int i = 0; i < 256; i++)
        send_frame(FRAME_LOG_STDOUT, block, sizeof(block));
}

int main(int argc, char **argv)
{
    struct run_order order;
    if (argc != 3 || strcmp(argv[1], "run") != 0)
        return 5;
    read_order(&order);
    if (strcmp(order.id, argv[2]) != 0)
        return 4;
    const char *what = order.request.entrypoint ? order.request.entrypoint : "";
    if (strncmp(what, "exit ", 5) == 0) {
        send_text(FRAME_STARTED, "{}");
        send_result(&order, atoi(what + 5), false);
    } else if (strcmp(what, "lines") == 0) {
        send_text(FRAME_LOG_STDOUT, "one\ntw");
        send_text(FRAME_LOG_STDERR, "err\r\n");
        send_text(FRAME_LOG_STDOUT, "o\nlast");
        send_result(&order, 0, false);
    } else if (strcmp(what, "progress") == 0) {
        if (order.progress)
            send_text(FRAME_PROGRESS, "{\"what\":\"pull\",\"done\":5,\"total\":10}");
        send_text(FRAME_PROGRESS, "{\"what\":1}");
        send_text(FRAME_PROGRESS, "rubbish");
        send_result(&order, order.progress, false);
    } else if (strcmp(what, "logs?") == 0) {
        send_result(&order, order.logs ? 1 : 2, false);
    } else if (strcmp(what, "input") == 0) {
        echo_input();
        send_result(&order, 0, false);
    } else if (strcmp(what, "fds") == 0) {
        list_fds();
        send_result(&order, 0, false);
    } else if (strcmp(what, "kinds") == 0) {
        list_kinds();
        send_result(&order, 0, false);
    } else if (strcmp(what, "options") == 0) {
        list_options(&order.request);
        send_result(&order, 0, false);
    } else if (strcmp(what, "describe") == 0) {
        describe();
        send_result(&order, 0, false);
    } else if (strcmp(what, "wait") == 0) {
        wait_for_cancel(&order);
    } else if (strcmp(what, "error") == 0) {
        send_error(LRUN_START_FAILED, "no such image");
    } else if (strcmp(what, "vanish") == 0) {
        _exit(3); /* not return: a sanitizer would look for leaks and change the code */
    } else if (strcmp(what, "crash") == 0) {
        signal(SIGABRT, SIG_DFL);
        kill(getpid(), SIGKILL);
    } else if (strcmp(what, "rubbish") == 0) {
        io_write_all(CALLER, "HTTP/1.1 200 OK\r\n", 17, IO_NO_DEADLINE);
        pause();
    } else if (strcmp(what, "long frame") == 0) {
        io_write_all(CALLER, "\x10\0\1\0\xff\xff\xff\xff", 8, IO_NO_DEADLINE);
        pause();
    } else if (strcmp(what, "unknown command") == 0) {
        io_write_all(CALLER, "\x10\0\2\0\2\0\0\0x\n", 10, IO_NO_DEADLINE);
        pause();
    } else if (strcmp(what, "unknown frame") == 0) {
        send_text((enum frame_type)99, "x");
        pause();
    } else if (strcmp(what, "bad result") == 0) {
        send_text(FRAME_RESULT, "{\"success\":true}");
    } else if (strcmp(what, "flood") == 0) {
        flood();
        send_result(&order, 0, false);
    } else if (strcmp(what, "controls") == 0 || strcmp(what, "late answer") == 0) {
        /* One write, so that more frames follow the frame that the caller is reading. */
        static const char lines[] = "\x16\0\0\0\x22\0\0\0{\"what\":\"pull\",\"done\":1,\"total\":2}"
                                    "\x10\0\1\0\4\0\0\0one\n"
                                    "\x11\0\1\0\4\0\0\0two\n"
                                    "\x10\0\1\0\6\0\0\0three\n";
        io_write_all(CALLER, lines, sizeof(lines) - 1, IO_NO_DEADLINE);
        serve_controls(&order, strcmp(what, "late answer") == 0);
    } else if (strcmp(what, "linger") == 0) {
        /* A run ends with its supervisor, not with the last frame. */
        send_result(&order, 0, false);
        usleep(300 * 1000);
        int fd = open(order.request.workdir, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        close(fd);
    }
    order_free(&order);
    return 0;
}
