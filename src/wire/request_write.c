/* SPDX-License-Identifier: MIT */
/*
 * Writes a checked request as JSON, for the REQUEST frame.
 */
#include "wire/request.h"
#include "wire/request_fields.h"

static json_t *strings_to_json(char *const *strings)
{
    json_t *list = strings ? json_array() : NULL;
    for (; list && *strings; strings++)
        if (json_array_append_new(list, json_string(*strings)) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Returns NULL for an empty set, or when memory is out. */
static json_t *names_to_json(unsigned set, const struct request_bit *known)
{
    json_t *list = set ? json_array() : NULL;
    for (; list && known->name; known++) {
        if ((set & known->bit) && json_array_append_new(list, json_string(known->name)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *size_to_json(uint64_t bytes)
{
    return json_sprintf("%llu", (unsigned long long)bytes);
}

static json_t *extract_to_json(const struct request *r)
{
    json_t *list = r->has_extract ? json_array() : NULL;
    for (size_t i = 0; list && i < r->extract_count; i++) {
        json_t *e = json_pack("{ss,ss}", "from", r->extract[i].from, "to", r->extract[i].to);
        if (!e || json_array_append_new(list, e) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *tty_json(const struct request *r)
{
    return r->tty ? json_pack("{sI,sI}", "rows", (json_int_t)r->tty_rows, "columns",
                              (json_int_t)r->tty_columns)
                  : NULL;
}

json_t *request_to_json(const struct request *r)
{
    json_t *memory = size_to_json(r->memory_bytes);
    json_t *disk = r->disk_asked ? size_to_json(r->disk_bytes) : NULL;
    json_t *unenforced = names_to_json(r->allow_unenforced, request_unenforced_names);
    json_t *egress = names_to_json(r->allow_egress, request_egress_names);
    json_t *options = json_pack(
        "{ss,ss*,ss,so*,sf,si,ss*,sb,so*,sI,sI,so*,so*,ss*,ss*}", "runtime", r->runtime,
        "accelerator", r->kvm_only ? "kvm" : NULL, "engine", r->engine, "memory", memory, "cpus",
        r->cpus, "pids", (int)r->pids, "gpus", r->gpus, "noNewPrivileges", r->no_new_privileges,
        "disk", disk, "maxExtractBytes", (json_int_t)r->max_extract_bytes, "maxLogBytes",
        (json_int_t)r->max_log_bytes, "allowUnenforced", unenforced, "allowEgress", egress,
        "setupRuntime", r->setup_runtime, "setupNetwork", r->setup_network);
    json_t *input = r->input ? json_string(r->input) : NULL;
    json_t *run = strings_to_json(r->run), *networks = strings_to_json(r->networks);
    json_t *env = strings_to_json(r->env), *extract = extract_to_json(r);
    json_t *dns = strings_to_json(r->dns), *argv = strings_to_json(r->argv);
    json_t *ignore = strings_to_json(r->ignore);
    json_t *cpu_timeout = r->cpu_timeout_ms ? json_integer((json_int_t)r->cpu_timeout_ms) : NULL;
    bool complete = memory && !disk == !r->disk_asked && options &&
                    !unenforced == !r->allow_unenforced && !egress == !r->allow_egress &&
                    !argv == !r->argv && !ignore == !r->ignore &&
                    !cpu_timeout == !r->cpu_timeout_ms && !dns == !r->dns && !input == !r->input &&
                    !run == !r->run && !networks == !r->networks && !env == !r->env &&
                    !extract == !r->has_extract;
    json_t *document =
        json_pack("{ss,ss*,so*,so*,ss*,so*,ss*,so*,sI,so*,so*,so*,so*,ss*,so*,ss*,sb,so*,so*}",
                  "image", r->image, "entrypoint", r->entrypoint, "argv", argv, "run", run, "dir",
                  r->dir, "ignore", ignore, "links", r->links_inside ? "inside" : NULL, "input",
                  input, "timeout", (json_int_t)r->timeout_ms, "cpuTimeout", cpu_timeout,
                  "networks", networks, "dns", dns, "env", env, "workdir", r->workdir, "extract",
                  extract, "extractWhen", r->extract_always ? "always" : NULL, "detached",
                  r->detached, "tty", tty_json(r), "options", options);
    if (!complete) {
        json_decref(document);
        return NULL;
    }
    return document;
}
