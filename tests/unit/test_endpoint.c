/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "engine/docker/endpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The SHA-256 of "remote". */
#define REMOTE "b71199ebd070b36beab7317920c2c2f1d777df8d05e5527d8458fda57cb17a7a"

enum outcome { SOCKET, PLAIN, VERIFIED, UNVERIFIED, REJECTED };

static enum outcome found(void)
{
    struct endpoint e;
    lrun_error err = {0};
    if (endpoint_find(&e, &err) < 0) {
        assert_int_equal(err.code, LRUN_INVALID_ARGUMENT);
        assert_true(err.hint[0]);
        return REJECTED;
    }
    bool tls = strncmp(e.url, "https://", 8) == 0;
    enum outcome outcome = e.socket ? SOCKET : !tls ? PLAIN : e.insecure ? UNVERIFIED : VERIFIED;
    endpoint_free(&e);
    return outcome;
}

static void set(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

/* Every address with every way to ask for TLS. Only an empty DOCKER_TLS_VERIFY turns the
 * verification off. */
static void test_tls(void **state)
{
    (void)state;
    static const char *const verify[] = {NULL, "", "1", "0"}, *const folder[] = {NULL, "",
                                                                                 "/certs"};
    static const struct {
        const char *host;
        enum outcome wanted[4][3]; /* by `verify`, by `folder` */
    } rows[] = {
        {"unix:///run/docker.sock",
         {{SOCKET, SOCKET, SOCKET},
          {SOCKET, SOCKET, SOCKET},
          {SOCKET, SOCKET, SOCKET},
          {SOCKET, SOCKET, SOCKET}}},
        {"tcp://host",
         {{PLAIN, PLAIN, VERIFIED},
          {PLAIN, PLAIN, UNVERIFIED},
          {VERIFIED, VERIFIED, VERIFIED},
          {VERIFIED, VERIFIED, VERIFIED}}},
        {"http://host:1",
         {{PLAIN, PLAIN, REJECTED},
          {PLAIN, PLAIN, REJECTED},
          {REJECTED, REJECTED, REJECTED},
          {REJECTED, REJECTED, REJECTED}}},
        {"https://host:1",
         {{VERIFIED, VERIFIED, VERIFIED},
          {VERIFIED, VERIFIED, UNVERIFIED},
          {VERIFIED, VERIFIED, VERIFIED},
          {VERIFIED, VERIFIED, VERIFIED}}},
    };
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        for (size_t v = 0; v < 4; v++) {
            for (size_t f = 0; f < 3; f++) {
                set("DOCKER_HOST", rows[r].host);
                set("DOCKER_TLS_VERIFY", verify[v]);
                set("DOCKER_CERT_PATH", folder[f]);
                enum outcome is = found();
                if (is != rows[r].wanted[v][f])
                    fail_msg("%s, DOCKER_TLS_VERIFY=%s, DOCKER_CERT_PATH=%s: %d instead of %d",
                             rows[r].host, verify[v] ? verify[v] : "(unset)",
                             folder[f] ? folder[f] : "(unset)", is, rows[r].wanted[v][f]);
            }
        }
    }
}

/* Docker's client keeps a context in a folder whose name is the SHA-256 of the context's name. */
static void test_context(void **state)
{
    char config[] = "/tmp/light-runner-endpoint-XXXXXX", folder[128], file[160];
    static const char *const folders[] = {"", "/contexts", "/contexts/meta",
                                          ("/contexts/meta/" REMOTE)};
    (void)state;
    assert_non_null(mkdtemp(config));
    for (size_t i = 1; i < 4; i++) {
        snprintf(folder, sizeof(folder), "%s%s", config, folders[i]);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
    snprintf(file, sizeof(file), "%s/meta.json", folder);
    FILE *meta = fopen(file, "w");
    assert_non_null(meta);
    fputs("{\"Endpoints\":{\"docker\":{\"Host\":\"tcp://there:1\"}}}", meta);
    assert_int_equal(fclose(meta), 0);
    set("DOCKER_HOST", NULL);
    set("DOCKER_CONFIG", config);
    set("DOCKER_CONTEXT", "remote");
    enum outcome is = found();
    set("DOCKER_CONTEXT", "other");
    enum outcome other = found();
    unlink(file);
    for (size_t i = 4; i > 0; i--) {
        snprintf(folder, sizeof(folder), "%s%s", config, folders[i - 1]);
        rmdir(folder);
    }
    assert_int_equal(is, PLAIN);
    assert_int_equal(other, REJECTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
