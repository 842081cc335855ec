/* SPDX-License-Identifier: MIT */
#include "run/environment.h"

#include "base/cleanup.h"
#include "wire/fields.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An empty PATH or HOME in an image counts as missing, as it does with runc and Docker. */
static bool is_left_to_the_agent(const char *assignment)
{
    return strcmp(assignment, "PATH=") == 0 || strcmp(assignment, "HOME=") == 0;
}

/* Uses a hash table, because an image may have many thousands of variables. */
static bool set_all(json_t *variables, char *const *list, bool of_image)
{
    for (; list && *list; list++) {
        const char *equals = strchr(*list, '=');
        if (!equals || equals == *list || (of_image && is_left_to_the_agent(*list)))
            continue;
        cleanup_free char *name = strndup(*list, (size_t)(equals - *list));
        if (!name ||
            json_object_set_new_nocheck(variables, name, json_string_nocheck(equals + 1)) < 0)
            return false;
    }
    return true;
}

static bool add_all(struct buffer *fields, json_t *variables)
{
    const char *name;
    json_t *value;
    json_object_foreach (variables, name, value) {
        cleanup_free char *assignment = NULL;
        if (asprintf(&assignment, "%s=%s", name, json_string_value(value)) < 0)
            assignment = NULL;
        if (!assignment || !fields_add(fields, "env", assignment))
            return false;
    }
    return true;
}

bool environment_add(struct buffer *fields, char *const *image, char *const *given,
                     char *const *devices)
{
    json_t *variables = json_object();
    bool added = variables && set_all(variables, image, true) && set_all(variables, given, false) &&
                 set_all(variables, devices, false) && add_all(fields, variables);
    json_decref(variables);
    return added;
}
