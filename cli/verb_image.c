/* SPDX-License-Identifier: MIT */
/* light-runner image: lists, gets and removes images. */
#include "cli_runner.h"
#include "interrupt.h"
#include "progress.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
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

static const char *text_of(const json_t *image, const char *field)
{
    const char *text = json_string_value(json_object_get(image, field));
    return text ? text : "";
}

static json_int_t number_of(const json_t *image, const char *field)
{
    return json_integer_value(json_object_get(image, field));
}

/* Prints and frees a text of the library. Returns the exit code. */
static int print_json(char *text)
{
    int code = cli_json_text(text);
    lrun_string_free(text);
    return fflush(stdout) == 0 ? code : CLI_FAILED;
}

/* -------------------------------------------------------------- import and pull */

/* Getting one image. */
struct job {
    struct progress progress;
    const char *doing;
    uint64_t size; /* of the archive; 0: the library knows the total, or nobody does */
    lrun_runner *runner;
    lrun_callbacks callbacks;
};

static void on_progress(void *user, const lrun_progress *p)
{
    struct job *job = user;
    uint64_t total = job->size ? job->size : p->total;
    if (total && p->done)
        progress_show(&job->progress, job->doing, p->done, total);
}

static int job_init(struct job *job, const char *doing, const char *engine, lrun_error *err)
{
    *job = (struct job){.doing = doing, .callbacks = LRUN_CALLBACKS_INIT};
    progress_init(&job->progress);
    job->callbacks.user = job;
    if (job->progress.terminal)
        job->callbacks.on_progress = on_progress;
    job->callbacks.cancel_fd = interrupt_catch(err);
    return job->callbacks.cancel_fd < 0 ? -1 : cli_runner(&job->runner, engine, NULL, err);
}

static int print_image(char *text, bool json)
{
    json_t *image = json_loads(text, 0, NULL);
    const char *foreign = text_of(image, "architecture");
    json_int_t skipped = number_of(image, "skipped");
    if (skipped > 0)
        fprintf(stderr,
                "light-runner: left out %" JSON_INTEGER_FORMAT " devices, fifos and sockets\n",
                skipped);
    if (foreign[0])
        cli_line(stderr, "light-runner: the image is for %s, and this machine is %s", foreign,
                 text_of(image, "hostArchitecture"));
    if (!json)
        cli_line(stdout, "%s %s", text_of(image, "name"), text_of(image, "digest"));
    json_decref(image);
    if (json)
        return print_json(text);
    lrun_string_free(text);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

/* Reports how it went, and frees the job. Returns the exit code. */
static int job_end(struct job *job, int rc, char *text, lrun_error *e, bool json)
{
    progress_clear(&job->progress);
    lrun_runner_free(job->runner);
    if (rc < 0 && interrupt_came && e->code == LRUN_IO_FAILED)
        error_set(e, LRUN_IO_FAILED, "image", "stopped");
    return rc < 0 ? cli_fail(e, json) : print_image(text, json);
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

/* Opens it, and sets the size of a file. */
static int open_archive(const char *file, int *out, uint64_t *size, lrun_error *err)
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
    *size = S_ISREG(st.st_mode) && st.st_size > 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

static int image_import(int argc, char **argv)
{
    struct options o = {0};
    int code;
    if (!cli_parse(&import_command, &o, &argc, argv, &code))
        return code;
    char **words = argv + 1;
    int count = argc - 1;
    if (count < 1 || count > 2)
        return cli_usage("image", o.json, "import takes FILE, DIR or -, and a NAME");
    if (count == 1 && strcmp(words[0], "-") == 0)
        return cli_usage("image", o.json, "import from stdin needs a NAME");

    lrun_error e = {0};
    struct job job;
    char *text = NULL;
    cleanup_close int fd = -1;
    cleanup_free char *name = count == 2 ? strdup(words[1]) : default_name(words[0]);
    if (!name) {
        error_oom(&e, "image.import");
        return cli_fail(&e, o.json);
    }
    int rc = job_init(&job, "importing", o.engine, &e);
    if (rc == 0)
        rc = open_archive(words[0], &fd, &job.size, &e);
    if (rc == 0)
        rc = lrun_image_import(job.runner, fd, name, &job.callbacks, &text, &e);
    return job_end(&job, rc, text, &e, o.json);
}

static int image_pull(int argc, char **argv)
{
    struct options o = {0};
    int code;
    if (!cli_parse(&pull_command, &o, &argc, argv, &code))
        return code;
    if (argc != 2)
        return cli_usage("image", o.json, "pull takes one NAME");
    lrun_error e = {0};
    struct job job;
    char *text = NULL;
    int rc = job_init(&job, "pulling", o.engine, &e);
    if (rc == 0)
        rc = lrun_image_pull(job.runner, argv[1], o.insecure ? LRUN_PULL_INSECURE : 0,
                             &job.callbacks, &text, &e);
    return job_end(&job, rc, text, &e, o.json);
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

static void print_table(const json_t *images)
{
    const json_t *image;
    size_t i;
    int width = (int)strlen("NAME");
    json_array_foreach (images, i, image)
        if ((int)strlen(text_of(image, "name")) > width)
            width = (int)strlen(text_of(image, "name"));
    printf("%-*s  %-12s  %10s  %-20s  %s\n", width, "NAME", "DIGEST", "SIZE", "CREATED", "ENGINE");
    json_array_foreach (images, i, image) {
        const char *digest = text_of(image, "digest"), *colon = strchr(digest, ':');
        char size[32];
        format_size(size, sizeof(size), (uint64_t)number_of(image, "size"));
        cli_line(stdout, "%-*s  %.12s  %10s  %-20s  %s", width, text_of(image, "name"),
                 colon ? colon + 1 : digest, size, text_of(image, "created"),
                 text_of(image, "engine"));
    }
}

static int image_ls(int argc, char **argv)
{
    struct options o = {0};
    int code;
    if (!cli_parse(&ls_images_command, &o, &argc, argv, &code))
        return code;
    if (argc != 1)
        return cli_usage("image", o.json, "ls takes no argument");
    lrun_error e = {0};
    lrun_runner *runner = NULL;
    char *text = NULL;
    bool failed =
        cli_runner(&runner, o.engine, NULL, &e) < 0 || lrun_image_list(runner, &text, &e) < 0;
    lrun_runner_free(runner);
    if (failed)
        return cli_fail(&e, o.json);
    if (e.code != LRUN_OK)
        cli_line(stderr, "light-runner: Docker's images are not listed: %s", e.message);
    if (o.json)
        return print_json(text);
    json_t *images = json_loads(text, 0, NULL);
    lrun_string_free(text);
    print_table(images);
    json_decref(images);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

static int image_rm(int argc, char **argv)
{
    struct options o = {0};
    int code;
    if (!cli_parse(&rm_command, &o, &argc, argv, &code))
        return code;
    if (argc == 1)
        return cli_usage("image", o.json, "rm takes at least one NAME");
    lrun_error e = {0};
    lrun_runner *runner;
    if (cli_runner(&runner, o.engine, NULL, &e) < 0)
        return cli_fail(&e, o.json);
    /* Remove all images that can be removed, even if others fail. Report the first failure. */
    json_t *removed = json_array();
    bool failed = false;
    for (int i = 1; i < argc; i++) {
        if (lrun_image_remove(runner, argv[i], failed ? NULL : &e) < 0) {
            failed = true;
            continue;
        }
        json_array_append_new(removed, json_string(argv[i]));
        if (!o.json)
            cli_line(stdout, "%s", argv[i]);
    }
    lrun_runner_free(runner);
    if (!failed && o.json) {
        code = cli_json(json_pack("{so}", "removed", removed), JSON_COMPACT);
        return fflush(stdout) == 0 ? code : CLI_FAILED;
    }
    json_decref(removed);
    return failed ? cli_fail(&e, o.json) : 0;
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
    return cli_usage("image", false, "missing command (expected pull, import, ls or rm)");
}
