/* SPDX-License-Identifier: MIT */
/*
 * Requests to the daemon, by libcurl: one connection that is kept, JSON in and out. What comes back is
 * bounded, and no call waits for ever.
 */
#ifndef ENGINE_DOCKER_HTTP_H
#define ENGINE_DOCKER_HTTP_H

#include "engine/docker/endpoint.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdint.h>

/* ms. Docker's own word for "is it there" is 5 s; a start may have to wait for slow storage. */
enum { HTTP_PING_TIMEOUT = 5000, HTTP_TIMEOUT = 60000 };

struct http {
    CURL *curl;
    const struct endpoint *endpoint; /* borrowed */
    /* Asked about once a second during every call; other than 0 ends it. NULL: nobody is to be asked. */
    int (*tick)(void *user);
    void *user;
};

/* An archive of that many bytes, from the beginning of a file. */
struct http_upload {
    int fd;
    uint64_t length;
    uint64_t *sent; /* how much of it has been taken so far */
};

struct http_request {
    const char *operation; /* for errors: "docker.create" */
    const char *method;
    const char *path; /* from the first slash on */
    json_t *body;     /* NULL: none. Borrowed */
    const void *tar;  /* in its place: an archive of that many bytes; NULL: none. Borrowed */
    size_t tar_length;
    const struct http_upload *upload; /* or one in a file; NULL: none. Borrowed */
    const char *header;               /* one more, "Name: value"; NULL: none */
    const char *wanted; /* the name of a header of the answer that is kept; NULL: none */
    int64_t timeout_ms; /* 0: HTTP_TIMEOUT. With line(): of a silence */
    /* A stream of JSON documents, one a line: called for each. Other than 0 ends it. */
    int (*line)(void *user, const json_t *document);
    /* ms: how long the call goes on all the same. For what the daemon would do anyway once it was asked. */
    int64_t patience_ms;
    int (*tick)(void *user); /* in the place of the connection's own; NULL: that */
    void *user;
};

struct http_answer {
    long status;  /* 0: a tick has ended the call */
    json_t *body; /* NULL: none, or no JSON */
    char *header; /* the one that was wanted; NULL: the answer does not have it */
};

int http_open(struct http *out, const struct endpoint *endpoint, lrun_error *err);
void http_close(struct http *h);

/* 0 with whatever status came. Errors: DOCKER_UNREACHABLE; OUT_OF_MEMORY. */
int http_call(struct http *h, const struct http_request *request, struct http_answer *out,
              lrun_error *err);

/* Frees what it holds, and leaves it empty. */
void http_answer_free(struct http_answer *answer);
#define cleanup_answer __attribute__((cleanup(http_answer_free)))

/* What every handle for this daemon is set to: its address, TLS, how long a connection may take. */
bool http_address(CURL *curl, const struct endpoint *endpoint);

/* The error of a connection that did not come about, or broke. */
int http_unreachable(const struct endpoint *endpoint, const char *operation, const char *why,
                     lrun_error *err);

#endif
