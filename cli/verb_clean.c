/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/text.h"
#include "engine/engine.h"

struct words {
    bool json, help, states, images;
    uint64_t age_ms;
};

static int read_age(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    (void)flag;
    (void)err;
    struct words *w = into;
    return text_parse_duration_ms(value, &w->age_ms) && w->age_ms < INT64_MAX / 2 ? 0
                                                                                  : FLAG_BAD_VALUE;
}

static const struct flag flags[] = {
    FLAG_SWITCH("states", struct words, states,
                "the states and the output of runs that have ended"),
    FLAG_SWITCH("images", struct words, images, "the images that were made of setup steps"),
    FLAG_CALL("older-than", read_age,
              "only states of runs that ended at least this long ago: 12h, 7d (ms, s, m, h, d)",
              .value = "TIME"),
    FLAG_JSON(struct words, "print JSON"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command clean_command = {
    .name = "clean",
    .usage = "[flags]",
    .about = "Removes what runs have kept on purpose. Without --states or --images: both.",
    .flags = flags,
};

/* Cleans the images of every engine that is used here. */
static int clean_images(unsigned *count, lrun_error *err)
{
    const struct engine *docker;
    if (engine_local.clean_images(count, err) < 0 || engine_find_docker(&docker, err) < 0)
        return -1;
    return docker ? docker->clean_images(count, err) : 0;
}

int verb_clean(int argc, char **argv)
{
    struct words w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&clean_command, &w, &argc, argv, &code))
        return code;
    if (argc > 1)
        return cli_usage("clean", w.json, "it takes no argument");
    bool both = !w.states && !w.images;
    unsigned states = 0, images = 0;
    if (((w.states || both) && lrun_clean_states((int64_t)w.age_ms, &states, &e) < 0) ||
        ((w.images || both) && clean_images(&images, &e) < 0))
        return cli_fail(&e, w.json);
    printf(w.json ? "{\"states\":%u,\"images\":%u}\n" : "states: %u, images: %u\n", states, images);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}
