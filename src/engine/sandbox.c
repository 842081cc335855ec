/* SPDX-License-Identifier: MIT */
#include "engine/sandbox.h"

#include "base/cleanup.h"

#include <string.h>
#include <unistd.h>

void sandbox_init(struct sandbox *s, const struct sandbox_ops *ops, bool keep)
{
    *s = (struct sandbox){
        .ops = ops,
        .keep = keep,
        .filters_min = 1,
        .to_agent = -1,
        .from_agent = -1,
        .runtime_text = -1,
        .alive = -1,
        .network = -1,
        .network_lost = -1,
        .memory = -1,
        .pausing = -1,
    };
}

enum { AT_TEXT, AT_ALIVE, AT_NETWORK, AT_NETWORK_LOST, AT_MEMORY, AT_PAUSING, AT_COUNT };
_Static_assert((int)AT_COUNT == (int)SANDBOX_POLLS, "the supervisor has room for them");

void sandbox_poll(const struct sandbox *s, struct pollfd polls[SANDBOX_POLLS])
{
    const struct pollfd wanted[AT_COUNT] = {
        [AT_TEXT] = {s->runtime_text, POLLIN, 0}, [AT_ALIVE] = {s->alive, POLLIN, 0},
        [AT_NETWORK] = {s->network, POLLIN, 0},   [AT_NETWORK_LOST] = {s->network_lost, POLLIN, 0},
        [AT_MEMORY] = {s->memory, POLLIN, 0},     [AT_PAUSING] = {s->pausing, POLLIN, 0},
    };
    memcpy(polls, wanted, sizeof(wanted));
}

static void listen_to(struct sandbox *s)
{
    char chunk[1024];
    ssize_t n = read(s->runtime_text, chunk, sizeof(chunk));
    if (n <= 0) {
        cleanup_close_fd(&s->runtime_text);
        return;
    }
    size_t room = SANDBOX_SAID_MAX - s->said_length;
    size_t take = (size_t)n < room ? (size_t)n : room;
    memcpy(s->said + s->said_length, chunk, take);
    s->said_length += take;
    s->said[s->said_length] = '\0';
}

/* Reads the rest of the runtime's text once the sandbox is gone. Bounded, as the
 * text may be endless. */
static void listen_to_the_rest(struct sandbox *s)
{
    for (int i = 0; i < SANDBOX_SAID_MAX; i++) {
        struct pollfd p = {s->runtime_text, POLLIN, 0};
        if (p.fd < 0 || poll(&p, 1, 0) <= 0)
            return;
        listen_to(s);
    }
}

unsigned sandbox_turn(struct sandbox *s, const struct pollfd polls[SANDBOX_POLLS])
{
    unsigned events = 0;
    if (polls[AT_MEMORY].revents)
        s->ops->on_memory(s);
    if (polls[AT_PAUSING].revents)
        events |= SANDBOX_PAUSED;
    if (polls[AT_TEXT].revents)
        listen_to(s);
    if (polls[AT_ALIVE].revents) {
        events |= SANDBOX_ENDED;
        listen_to_the_rest(s);
    }
    /* Require data: EOF alone means that pasta died before the interface came up. */
    if (polls[AT_NETWORK].revents & POLLIN) {
        events |= SANDBOX_NETWORK_UP;
        s->network = s->network_lost = -1;
    } else if (polls[AT_NETWORK_LOST].revents) {
        events |= SANDBOX_NETWORK_LOST;
    }
    return events;
}

bool sandbox_is_silent(const struct sandbox *s)
{
    return s->runtime_text < 0;
}

void sandbox_close(struct sandbox *s)
{
    cleanup_close_fd(&s->to_agent);
    cleanup_close_fd(&s->from_agent);
    cleanup_close_fd(&s->runtime_text);
    cleanup_close_fd(&s->memory);
    image_free(&s->image);
    free(s->filter);
}

void sandbox_explain(const struct sandbox *s, const char *tier, lrun_error *err)
{
    cleanup_free char *said = strdup(err->message);
    error_hint(err, "see what works here: light-runner doctor");
    if (s->ops->explain && said)
        s->ops->explain(tier, said, err);
}
