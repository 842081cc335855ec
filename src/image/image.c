/* SPDX-License-Identifier: MIT */
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define OPERATION "image.name"

static void free_list(char **list)
{
    for (char **s = list; s && *s; s++)
        free(*s);
    free(list);
}

void image_free(struct image *image)
{
    free(image->name);
    free(image->digest);
    free(image->created);
    free_list(image->entrypoint);
    free_list(image->cmd);
    free_list(image->env);
    free(image->user);
    free(image->workdir);
    free(image->high_ids);
    *image = (struct image){0};
}

size_t image_hex_length(const char *text)
{
    size_t length = strspn(text, "0123456789abcdef");
    return text[length] == '\0' ? length : 0;
}

bool image_is_digest(const char *text)
{
    return strncmp(text, "sha256:", 7) == 0 && image_hex_length(text + 7) == IMAGE_HEX_LENGTH;
}

int image_name_normalize(char *out, const char *name, lrun_error *err)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  "._/:@-";
    size_t length = strlen(name);
    if (length == 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "the name of an image is empty");
    if (length > IMAGE_NAME_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "the image name '%.40s...' is longer than %d bytes", name, IMAGE_NAME_MAX);
    if (name[strspn(name, allowed)] != '\0' || strchr("-./", name[0])) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "'%s' is not a name for an image", name);
        return error_hint(err, "letters, digits and . _ / : @ - are allowed; the first must not "
                               "be '-', '.' or '/'");
    }
    const char *slash = strrchr(name, '/');
    const char *tag = strchr(slash ? slash + 1 : name, ':');
    if (name[length - 1] == ':' || name[length - 1] == '/')
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "'%s' is not a name for an image: it ends with '%c'", name,
                         name[length - 1]);
    /* It could never be found, because such text is looked up as a digest. */
    if (image_is_digest(name))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "a digest is not a name for an image");
    int n = snprintf(out, IMAGE_NAME_MAX + 1, "%s%s", name, tag ? "" : ":latest");
    if (n < 0 || n > IMAGE_NAME_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "the image name '%.40s...' with ':latest' is longer than %d bytes", name,
                         IMAGE_NAME_MAX);
    return 0;
}

const char *image_host_architecture(void)
{
    static const char *const names[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},          {"armv6l", "arm"},
        {"i686", "386"},     {"i386", "386"},      {"loongarch64", "loong64"},
    };
    static struct utsname host; /* the same for every caller */
    if (uname(&host) < 0)
        return "";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(host.machine, names[i][0]) == 0)
            return names[i][1];
    return host.machine; /* riscv64, ppc64le, s390x: both names are equal */
}
