/* SPDX-License-Identifier: MIT */
/*
 * `light-runner rpc`: the library for programs in other languages. Requests arrive as lines of JSON
 * on one fd, responses and events leave as lines of JSON on another (docs/rpc.md).
 *
 * One process serves many runs. One loop polls their handles; a library call that blocks has a
 * thread of its own (jobs.h), so it delays neither the loop nor another call.
 *
 *     line -> reader -> message -> methods -> call -> library
 *                                               |
 *              fd <- loop <- queue of the call <-+  output, events, and last the response
 *
 * Every request becomes a call. A call has its own queue of outgoing messages, and its own window:
 * a client that does not grant more stops the output of that call and of no other.
 */
#ifndef RPC_RPC_H
#define RPC_RPC_H

#include "lightrunner.h"

/* The version of the protocol. It changes if a client of an older version would not work. */
#define RPC_PROTOCOL 1

enum {
    RPC_LINE_MAX = 16 * 1024 * 1024, /* bytes of a request's line */
    RPC_CALLS_MAX = 2048,            /* requests without a response, runs included */
    RPC_RUNS_MAX = 1024,             /* of these: runs */
};

/*
 * Serves until `in` ends or `out` cannot be written to. Then it cancels the attached runs and waits
 * for their end. Ignores SIGPIPE. Returns 0, or -1 if it cannot start.
 */
int rpc_serve(int in, int out, lrun_error *err);

#endif
