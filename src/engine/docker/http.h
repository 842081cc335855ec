/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon, by libcurl: one persistent connection, JSON in both directions. The size
 * of an answer is bounded, and no call waits forever.
 */
#ifndef ENGINE_DOCKER_HTTP_H
#define ENGINE_DOCKER_HTTP_H

#include "base/tick.h"
#include "engine/docker/endpoint.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdint.h>

/* In ms. Docker's own timeout for a ping is 5 s. A start may have to wait for slow storage. */
enum { HTTP_PING_TIMEOUT = 5000, HTTP_TIMEOUT = 60000 };

struct http {
    CURL *curl;
    const struct endpoint *endpoint; /* borrowed */
    const struct tick *tick; /* asked during every call, as it is then; may be NULL. Borrowed */
};

/* An archive of `length` bytes, from the beginning of a file. */
struct http_upload {
    int fd;
    uint64_t length;
    uint64_t *sent; /* how many bytes have been sent so far */
};

struct http_request {
    const char *operation; /* for errors: "docker.create" */
    const char *method;
    const char *path; /* begins with the first slash */
    json_t *body;     /* NULL: none. Borrowed */
    const void *tar;  /* instead of `body`: an archive of tar_length bytes; NULL: none. Borrowed */
    size_t tar_length;
    const struct http_upload *upload; /* or an archive in a file; NULL: none. Borrowed */
    const char *header;               /* an additional header, "Name: value"; NULL: none */
    const char *wanted; /* the name of a header of the answer that we want; NULL: none */
    int64_t timeout_ms; /* 0: HTTP_TIMEOUT. With line(), how long the daemon may be silent */
    /* Called for each line of a stream of JSON documents. A non-zero return ends the call. */
    int (*line)(void *user, const json_t *document);
    /* How long, in ms, the call continues after a tick has asked to end it. For requests that the
     * daemon would carry out anyway. */
    int64_t patience_ms;
    int (*tick)(void *user); /* replaces the connection's tick; NULL: that one is used */
    void *user;
};

struct http_answer {
    long status;  /* 0: a tick has ended the call */
    json_t *body; /* NULL: none, or not JSON */
    char *header; /* value of the wanted header; NULL: the answer does not have it */
};

int http_open(struct http *out, const struct endpoint *endpoint, const struct tick *tick,
              lrun_error *err);
void http_close(struct http *h);

/* Returns 0 for an answer with any status. Errors: DOCKER_UNREACHABLE, OUT_OF_MEMORY. */
int http_call(struct http *h, const struct http_request *request, struct http_answer *out,
              lrun_error *err);

/* Frees the answer's content, and leaves it empty. */
void http_answer_free(struct http_answer *answer);
#define cleanup_answer __attribute__((cleanup(http_answer_free)))

/* Sets the options that every handle for this daemon needs: address, TLS, connection timeout. */
bool http_address(CURL *curl, const struct endpoint *endpoint);

/* Sets the error of a connection that failed or broke. Returns -1. */
int http_unreachable(const struct endpoint *endpoint, const char *operation, const char *why,
                     lrun_error *err);

#endif
