/* SPDX-License-Identifier: MIT */
#include "cli_runner.h"
#include "verbs.h"

#include "base/text.h"

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

/* Images of every engine that is used here. */
static int clean_images(unsigned *count, lrun_error *err)
{
    lrun_runner *runner;
    if (cli_runner(&runner, NULL, NULL, err) < 0)
        return -1;
    int rc = lrun_clean_images(runner, count, err);
    lrun_runner_free(runner);
    return rc;
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
    bool both = !w.states && !w.images, failed = false;
    unsigned states = 0, images = 0;
    if (w.states || both)
        failed = lrun_clean_states((int64_t)w.age_ms, &states, &e) < 0;
    if ((w.images || both) && clean_images(&images, failed ? NULL : &e) < 0)
        failed = true;
    const struct count counts[] = {{"states", states}, {"images", images}, {0}};
    return cli_counts(counts, failed ? &e : NULL, w.json);
}
