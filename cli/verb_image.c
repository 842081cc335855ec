/* SPDX-License-Identifier: MIT */
/*
 * light-runner image: lists, gets and removes images. It works on the local store, and on Docker if
 * --engine or $LIGHT_RUNNER_ENGINE says so, or if the local engine cannot run the images
 * (engine_find_for_image()).
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "engine/engine.h"
#include "image/layout.h"
#include "image/pull.h"
#include "progress.h"
#include "verbs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

struct options {
    bool json;
    bool help;
    bool insecure;
    const char *engine;
};

static const struct flag help_flags[] = {FLAG_HELP(struct options), FLAG_END};

static const struct flag import_flags[] = {
    FLAG_STRING("engine", struct options, engine, "auto|local|docker",
                "where it goes (see light-runner image --help); it is unpacked\n"
                "here before Docker gets it",
                .choices = CLI_ENGINES),
    FLAG_JSON(struct options, "print the image as a JSON object"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct flag ls_flags[] = {
    FLAG_STRING("engine", struct options, engine, "auto|local|docker", "only those of that engine",
                .choices = CLI_ENGINES),
    FLAG_JSON(struct options, "print a JSON array"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct flag rm_flags[] = {
    FLAG_STRING("engine", struct options, engine, "auto|local|docker", "whose image",
                .choices = CLI_ENGINES),
    FLAG_JSON(struct options, "print {\"removed\": [NAME...]}"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct flag pull_flags[] = {
    FLAG_STRING("engine", struct options, engine, "auto|local|docker",
                "where it goes (see light-runner image --help)", .choices = CLI_ENGINES),
    FLAG_SWITCH("insecure", struct options, insecure,
                "also without TLS, or with a certificate that proves nothing; a registry\n"
                "on localhost or 127.0.0.0/8 is always taken so. Not on Docker, whose\n"
                "daemon.json says which registries are taken so"),
    FLAG_JSON(struct options, "print the image as a JSON object"),
    FLAG_HELP(struct options),
    FLAG_END,
};

static const struct command import_command = {
    .name = "image import",
    .usage = "[--engine ENGINE] [--json] FILE|DIR|- [NAME]",
    .about =
        "Makes an image from\n"
        "  - the tar of a root file system, as `docker export` or debootstrap tools write it,\n"
        "  - an archive of `docker save`, or an OCI archive; from several images, the one\n"
        "    called NAME,\n"
        "  - an OCI image layout: a folder with index.json and blobs.\n"
        "Archives are plain, or packed with gzip, bzip2, xz or zstd. `-` reads one from stdin.\n"
        "Prints the name and the digest. Without NAME the image is named after the file.\n"
        "\n"
        "Devices, fifos, sockets and file capabilities are left out. Links lead nowhere but into\n"
        "the image, and a path that leads out of the archive by `..` is rejected.",
    .flags = import_flags,
    .notes =
        "LIGHT_RUNNER_ENGINE           for --engine auto: local or docker\n"
        "LIGHT_RUNNER_DATA_DIR         where the images are\n"
        "LIGHT_RUNNER_IMAGE_MAX_BYTES  what an archive may unpack to (at most 64g, the default)",
    .words = COMPLETE_FILES,
};

static const struct command ls_images_command = {
    .name = "image ls",
    .usage = "[--engine ENGINE] [--json]",
    .about = "Lists the images of the local store, and those of Docker if it answers. Of two "
             "with the\n"
             "same name `run` takes that of the local store, unless it is told an engine.",
    .flags = ls_flags,
};

static const struct command rm_command = {
    .name = "image rm",
    .usage = "[--engine ENGINE] [--json] NAME...",
    .about =
        "Removes images by their name. Given a digest, or 12 or more of its digits, removes the\n"
        "image with all its names. Runs that use an image are not disturbed.\n"
        "Docker's own images are removed only with --engine docker, except for those made "
        "from\n"
        "setup steps.",
    .flags = rm_flags,
    .words = COMPLETE_IMAGES,
};

static const struct command pull_command = {
    .name = "image pull",
    .usage = "[--engine ENGINE] [--json] [--insecure] NAME",
    .about =
        "Gets an image from a registry, for this machine's platform, with skopeo or by the Docker\n"
        "daemon. NAME is as Docker has it: alpine, alpine:3.20, ghcr.io/owner/name:tag, "
        "name@sha256:...; it is stored\n"
        "under the same name. Prints the name and the digest of the stored image.\n"
        "\n"
        "Credentials are those of `docker login`, `podman login` and `skopeo login`.",
    .flags = pull_flags,
    .notes = "REGISTRY_AUTH_FILE, DOCKER_CONFIG    where the credentials are\n"
             "HTTPS_PROXY, HTTP_PROXY, NO_PROXY    the way to the registry\n"
             "LIGHT_RUNNER_IMAGE_MAX_BYTES         what an image may unpack to (at most 64g, the "
             "default)",
};

const struct command image_command = {
    .name = "image",
    .usage = "COMMAND",
    .about = "  pull NAME                 get an image from a registry\n"
             "  import FILE|DIR|- [NAME]  make an image from an archive or an OCI layout\n"
             "  ls                        list the images\n"
             "  rm NAME...                remove images\n"
             "\n"
             "Each takes --engine auto|local|docker: the local store, or the images of Docker. By "
             "default\n"
             "images go into the local store, and `run` looks there first; where the local engine "
             "cannot\n"
             "run them and Docker is there, they go to Docker. `ls` lists both.\n"
             "\n"
             "light-runner image COMMAND --help says more.",
    .flags = help_flags,
    .commands = (const struct command *const[]){&pull_command, &import_command, &ls_images_command,
                                                &rm_command, NULL},
};

static json_t *list_to_json(char *const *list)
{
    json_t *array = json_array();
    for (; list && *list; list++)
        json_array_append_new(array, json_string(*list));
    return array;
}

/* Docker's list of images does not contain their configurations. */
static json_t *image_to_json(const struct image *i, const struct engine *engine)
{
    json_t *config =
        !i->user ? NULL
                 : json_pack("{s:o, s:o, s:o, s:s, s:s}", "entrypoint", list_to_json(i->entrypoint),
                             "cmd", list_to_json(i->cmd), "env", list_to_json(i->env), "user",
                             i->user, "workdir", i->workdir);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:o*}", "name", i->name, "digest", i->digest,
                     "size", (json_int_t)i->size, "created", i->created, "engine", engine->name,
                     "config", config);
}

/* Prints and frees the document. Returns the exit code. */
static int print_json(json_t *document)
{
    int code = cli_json(document, JSON_COMPACT);
    return fflush(stdout) == 0 ? code : CLI_FAILED;
}

/* -------------------------------------------------------------- import */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

struct bar {
    struct progress progress;
    const char *doing;
    uint64_t total;                        /* 0: no bar is shown */
    const struct image_feedback *feedback; /* if set, the total is taken from it */
};

static int show_progress(void *user, uint64_t done)
{
    struct bar *bar = user;
    if (bar->feedback)
        bar->total = bar->feedback->total;
    if (bar->total && done)
        progress_show(&bar->progress, bar->doing, done, bar->total);
    return interrupted;
}

/* Returns the file's name up to ".tar" (or ".tgz", ".txz", ".tzst"), malloc'd. */
static char *default_name(const char *file)
{
    static const char *const endings[] = {".tar", ".tgz", ".txz", ".tzst"};
    const char *slash = strrchr(file, '/');
    char *name = strdup(slash ? slash + 1 : file);
    for (size_t i = 0; name && i < sizeof(endings) / sizeof(endings[0]); i++) {
        char *at = NULL;
        for (char *s = name; (s = strstr(s, endings[i])); s++)
            at = s;
        size_t length = strlen(endings[i]);
        if (at && at != name && (at[length] == '\0' || at[length] == '.')) {
            *at = '\0';
            break;
        }
    }
    return name;
}

static int open_archive(const char *file, int *out, struct bar *bar, lrun_error *err)
{
    struct stat st;
    bool is_stdin = strcmp(file, "-") == 0;
    *out = is_stdin ? fcntl(0, F_DUPFD_CLOEXEC, 3) : open(file, O_RDONLY | O_CLOEXEC);
    if (*out < 0 || fstat(*out, &st) < 0) {
        error_errno(err, LRUN_IO_FAILED, "image.import", errno, "cannot open '%s'", file);
        return error_hint(err,
                          "name an archive or a folder that exists and that you may read; for an "
                          "image from a registry: light-runner image pull NAME");
    }
    if (S_ISREG(st.st_mode) && st.st_size > 0)
        bar->total = (uint64_t)st.st_size;
    return 0;
}

static void catch_signals(void)
{
    /* After a signal, the import stops by itself and removes what it has begun. */
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

/* Reports a successful import or pull. Returns the exit code. */
static int print_image(const struct image *image, const struct engine *engine,
                       const struct image_feedback *feedback, bool json)
{
    if (feedback->skipped)
        fprintf(stderr, "light-runner: left out %" PRIu64 " devices, fifos and sockets\n",
                feedback->skipped);
    if (feedback->architecture[0])
        cli_line(stderr, "light-runner: the image is for %s, and this machine is %s",
                 feedback->architecture, image_host_architecture());
    if (json)
        return print_json(image_to_json(image, engine));
    cli_line(stdout, "%s %s", image->name, image->digest);
    return fflush(stdout) != 0 ? CLI_FAILED : 0;
}

static int image_import(int argc, char **argv)
{
    struct options o = {.engine = "auto"};
    int code;
    if (!cli_parse(&import_command, &o, &argc, argv, &code))
        return code;
    char **words = argv + 1;
    int count = argc - 1;
    if (count < 1 || count > 2)
        return cli_usage("image", o.json, "import takes FILE, DIR or -, and a NAME");
    if (count == 1 && strcmp(words[0], "-") == 0)
        return cli_usage("image", o.json, "import from stdin needs a NAME");

    lrun_error err = {0};
    struct bar bar = {.doing = "importing"};
    const struct engine *engine;
    cleanup_image struct image image = {0};
    cleanup_close int fd = -1;
    cleanup_free char *name = count == 2 ? strdup(words[1]) : default_name(words[0]);
    struct image_feedback feedback = {.progress = show_progress, .user = &bar};
    if (!name) {
        error_oom(&err, "image.import");
        return cli_fail(&err, o.json);
    }
    progress_init(&bar.progress);
    catch_signals();
    if (open_archive(words[0], &fd, &bar, &err) < 0 ||
        engine_find_for_image(&engine, o.engine, "mkfs.erofs", &err) < 0)
        return cli_fail(&err, o.json);
    int failed = engine->import_image(fd, name, &image, &feedback, &err);
    progress_clear(&bar.progress);
    return failed ? cli_fail(&err, o.json) : print_image(&image, engine, &feedback, o.json);
}

/* -------------------------------------------------------------- pull */

static int pull_to_store(const struct engine *engine, const struct options *o, const char *name,
                         struct image *image, struct image_feedback *feedback, lrun_error *err)
{
    (void)engine;
    cleanup_store struct store *store = NULL;
    const struct pull_options options = {.insecure = o->insecure};
    return store_open(&store, true, err) < 0
               ? -1
               : pull_image(store, name, &options, image, feedback, err);
}

static int pull_by_engine(const struct engine *engine, const struct options *o, const char *name,
                          struct image *image, struct image_feedback *feedback, lrun_error *err)
{
    if (o->insecure) {
        error_set(err, LRUN_NOT_SUPPORTED, "image.pull",
                  "--insecure: the engine %s decides that itself", engine->name);
        return error_hint(err, "list the registry in /etc/docker/daemon.json under "
                               "\"insecure-registries\"; or use --engine local");
    }
    if (engine->pull(name, feedback, err) < 0)
        return interrupted ? error_set(err, LRUN_IO_FAILED, "image.pull", "stopped") : -1;
    return engine->describe_image(name, image, err);
}

static int image_pull(int argc, char **argv)
{
    struct options o = {.engine = "auto"};
    int code;
    if (!cli_parse(&pull_command, &o, &argc, argv, &code))
        return code;
    char **words = argv + 1;
    int count = argc - 1;
    if (count != 1)
        return cli_usage("image", o.json, "pull takes one NAME");
    lrun_error err = {0};
    const struct engine *engine;
    cleanup_image struct image image = {0};
    struct bar bar = {.doing = "pulling"};
    progress_init(&bar.progress);
    struct image_feedback feedback = {
        .progress = show_progress, .user = &bar, .want_total = bar.progress.terminal};
    bar.feedback = &feedback;
    catch_signals();
    if (engine_find_for_image(&engine, o.engine, "skopeo", &err) < 0)
        return cli_fail(&err, o.json);
    int failed = (engine == &engine_local ? pull_to_store : pull_by_engine)(
        engine, &o, words[0], &image, &feedback, &err);
    progress_clear(&bar.progress);
    return failed ? cli_fail(&err, o.json) : print_image(&image, engine, &feedback, o.json);
}

/* -------------------------------------------------------------- ls, rm */

/* Formats a size like "12.3 MB", in powers of 1000. */
static void format_size(char *out, size_t size, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 999.95 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
        value /= 1000;
    snprintf(out, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* The images of one engine. */
struct listing {
    const struct engine *engine;
    struct image *images;
    size_t count;
};

static void print_table(const struct listing *lists, size_t lists_count)
{
    int width = (int)strlen("NAME");
    for (size_t l = 0; l < lists_count; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            if ((int)strlen(lists[l].images[i].name) > width)
                width = (int)strlen(lists[l].images[i].name);
    printf("%-*s  %-12s  %10s  %-20s  %s\n", width, "NAME", "DIGEST", "SIZE", "CREATED", "ENGINE");
    for (size_t l = 0; l < lists_count; l++) {
        for (size_t i = 0; i < lists[l].count; i++) {
            const struct image *image = &lists[l].images[i];
            char size[32];
            format_size(size, sizeof(size), image->size);
            cli_line(stdout, "%-*s  %.12s  %10s  %-20s  %s", width, image->name,
                     image->digest + strlen("sha256:"), size, image->created,
                     lists[l].engine->name);
        }
    }
}

static int print_lists(const struct listing *lists, size_t count, bool json)
{
    if (!json) {
        print_table(lists, count);
        return fflush(stdout) != 0 ? CLI_FAILED : 0;
    }
    json_t *list = json_array();
    for (size_t l = 0; l < count; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            json_array_append_new(list, image_to_json(&lists[l].images[i], lists[l].engine));
    return print_json(list);
}

enum { ENGINES_MAX = 2 };

/* Finds the engines whose images the user means: the engine that the user names; otherwise the
 * local engine, and Docker if it is used here. */
static int find_engines(struct listing lists[ENGINES_MAX], size_t *count, const char *name,
                        lrun_error *err)
{
    const struct engine *docker;
    lrun_error ignored;
    *count = 1;
    if (!engine_is_automatic(name))
        return engine_find(&lists[0].engine, name, err);
    lists[0].engine = &engine_local;
    if (engine_find_docker(&docker, &ignored) == 0 && docker) {
        lists[1].engine = docker;
        *count = 2;
    }
    return 0;
}

static int image_ls(int argc, char **argv)
{
    struct options o = {.engine = "auto"};
    int code;
    if (!cli_parse(&ls_images_command, &o, &argc, argv, &code))
        return code;
    if (argc != 1)
        return cli_usage("image", o.json, "ls takes no argument");
    lrun_error err = {0};
    struct listing lists[ENGINES_MAX] = {0};
    size_t count;
    if (find_engines(lists, &count, o.engine, &err) < 0)
        return cli_fail(&err, o.json);
    code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        if (lists[i].engine->list_images(&lists[i].images, &lists[i].count, &err) == 0)
            continue;
        /* The daemon may be down: nobody asked for it by name. */
        if (i == 0)
            code = cli_fail(&err, o.json);
        else
            cli_line(stderr, "light-runner: Docker's images are not listed: %s", err.message);
    }
    if (code == 0)
        code = print_lists(lists, count, o.json);
    for (size_t i = 0; i < count; i++)
        store_list_free(lists[i].images, lists[i].count);
    return code;
}

static bool has_image(const struct engine *engine, const char *name)
{
    cleanup_free char *digest = NULL;
    lrun_error ignored;
    return engine->find_image(name, &digest, &ignored) == 0 && digest;
}

/* Unless the user names the engine, this removes no image from Docker that somebody else may have
 * made. */
static int remove_one(const struct listing *lists, size_t count, const char *name, lrun_error *err)
{
    static const char setup[] = ENGINE_SETUP_REPOSITORY ":";
    const struct engine *first = lists[0].engine, *docker = count > 1 ? lists[1].engine : NULL;
    if (docker && !has_image(first, name) && has_image(docker, name)) {
        if (strncmp(name, setup, strlen(setup)) == 0)
            return docker->remove_image(name, err);
        error_set(err, LRUN_IMAGE_NOT_FOUND, "image.rm",
                  "no image named '%s' is in the local store", name);
        return error_hint(err, "for that of Docker: light-runner image rm --engine docker %s",
                          name);
    }
    return first->remove_image(name, err);
}

static int image_rm(int argc, char **argv)
{
    struct options o = {.engine = "auto"};
    int code;
    if (!cli_parse(&rm_command, &o, &argc, argv, &code))
        return code;
    if (argc == 1)
        return cli_usage("image", o.json, "rm takes at least one NAME");
    lrun_error err = {0};
    struct listing lists[ENGINES_MAX] = {0};
    size_t count;
    if (find_engines(lists, &count, o.engine, &err) < 0)
        return cli_fail(&err, o.json);
    /* Remove all images that can be removed, even if others fail. Report the first failure. */
    json_t *removed = json_array();
    bool failed = false;
    for (int i = 1; i < argc; i++) {
        lrun_error one = {0};
        if (remove_one(lists, count, argv[i], &one) == 0) {
            json_array_append_new(removed, json_string(argv[i]));
            if (!o.json)
                cli_line(stdout, "%s", argv[i]);
        } else if (!failed) {
            failed = true;
            err = one;
        }
    }
    if (failed) {
        json_decref(removed);
        return cli_fail(&err, o.json);
    }
    if (o.json)
        return print_json(json_pack("{s:o}", "removed", removed));
    json_decref(removed);
    return 0;
}

int verb_image(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*function)(int argc, char **argv);
    } commands[] = {
        {"import", image_import}, {"ls", image_ls}, {"rm", image_rm}, {"pull", image_pull}};
    struct options o = {0};
    int code;
    for (size_t i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].function(argc - 1, argv + 1);
    if (argc > 1 && argv[1][0] != '-')
        return cli_usage("image", false, "unknown command '%s' (expected pull, import, ls or rm)",
                         argv[1]);
    if (!cli_parse(&image_command, &o, &argc, argv, &code))
        return code;
    return cli_usage("image", false, "a command is missing: pull, import, ls, rm");
}
