/* SPDX-License-Identifier: MIT */
/* Reads any bytes as a payload of fields. The walk ends and stays within the bytes, and valid
 * fields can be written again. */
#include "fuzz.h"

#include "wire/fields.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > FRAME_AGENT_MAX)
        return 0;
    struct frame f = {.type = FRAME_HELLO, .length = (uint32_t)size, .payload = (const char *)data};
    bool valid = fields_valid(&f);
    const char *at = NULL, *key, *value;
    size_t key_length, total = 0;
    struct buffer again;
    buffer_init(&again, size + 1);
    while (fields_next(&f, &at, &key, &key_length, &value)) {
        PROMISE(key >= f.payload && value + strlen(value) < f.payload + f.length);
        total += key_length + strlen(value) + 2;
        char name[64];
        if (key_length < sizeof(name)) {
            memcpy(name, key, key_length);
            name[key_length] = '\0';
            if (strlen(name) == key_length)
                PROMISE(fields_get(&f, name) != NULL);
            PROMISE(fields_add(&again, name, value));
        }
    }
    PROMISE(total <= size);
    PROMISE(!valid || total == size);
    if (valid && buffer_length(&again) == size && size > 0)
        PROMISE(memcmp(buffer_data(&again), data, size) == 0);
    buffer_free(&again);
    uint64_t n;
    fields_get_u64(&f, "code", &n);
    return 0;
}
