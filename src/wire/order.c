/* SPDX-License-Identifier: MIT */
#include "wire/order.h"

#include "json/check.h"
#include "json/request_text.h"

#include <stdlib.h>
#include <string.h>

#define ID_PREFIX "light-runner-"
#define ID_DIGITS 12

#define HEX_DIGITS "0123456789abcdef"

bool order_id_is_valid(const char *id)
{
    size_t prefix = strlen(ID_PREFIX);
    return strncmp(id, ID_PREFIX, prefix) == 0 && strlen(id) == prefix + ID_DIGITS &&
           strspn(id + prefix, HEX_DIGITS) == ID_DIGITS;
}

static int read_id(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct run_order *order = out;
    if (check_copy_string(&order->id, field, value, err) < 0)
        return -1;
    return order_id_is_valid(order->id) ? 0 : check_fail(err, field, "is not the id of a run");
}

/* A commit can only write to the repository of setup steps, so no caller can replace another
 * image. */
static bool is_commit_name(const char *name)
{
    static const char prefix[] = ORDER_COMMIT_REPOSITORY ":";
    size_t length = sizeof(prefix) - 1;
    return strncmp(name, prefix, length) == 0 && strlen(name) == length + ORDER_COMMIT_DIGITS &&
           strspn(name + length, HEX_DIGITS) == ORDER_COMMIT_DIGITS;
}

static int read_commit(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct run_order *order = out;
    if (check_copy_string(&order->commit, field, value, err) < 0)
        return -1;
    return is_commit_name(order->commit)
               ? 0
               : check_fail(err, field, "is not the name of an image of setup steps");
}

static int read_logs(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct run_order *order = out;
    return check_bool(&order->logs, field, value, err);
}

static int read_progress(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct run_order *order = out;
    return check_bool(&order->progress, field, value, err);
}

static int read_idle(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct run_order *order = out;
    return check_positive(&order->idle_ms, field, value, ORDER_IDLE_MAX, err);
}

static int read_request(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct run_order *order = out;
    (void)field;
    return request_from_json(&order->request, value, err);
}

int order_parse(struct run_order *out, const char *json, size_t length, lrun_error *err)
{
    static const struct check_field fields[] = {
        {"id", read_id},
        {"commit", read_commit},
        {"logs", read_logs},
        {"progress", read_progress},
        {"request", read_request},
        {"idle", read_idle},
        {0},
    };
    json_t *document;
    if (request_text_load(&document, json, length, err) < 0)
        return -1;
    cleanup_order struct run_order order = {.logs = true};
    int rc = check_object(&order, "", document, fields, err);
    json_decref(document);
    if (rc < 0)
        return -1;
    if (!order.id || !order.request.image)
        return check_fail(err, order.id ? "request" : "id", "is missing");
    *out = order;
    order = (struct run_order){0};
    return 0;
}

json_t *order_to_json(const struct run_order *order)
{
    struct request request = order->request;
    request.input = NULL;
    json_t *idle = order->idle_ms ? json_integer((json_int_t)order->idle_ms) : NULL;
    return json_pack("{ss,ss*,sb,sb,so*,so}", "id", order->id, "commit", order->commit, "logs",
                     order->logs, "progress", order->progress, "idle", idle, "request",
                     request_to_json(&request));
}

void order_free(struct run_order *order)
{
    free(order->id);
    free(order->commit);
    request_free(&order->request);
    *order = (struct run_order){0};
}
