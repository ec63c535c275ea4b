#include "bookmark.h"

#include "base/codec.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FORMAT = 2, DIGEST_DIGITS = 16 };

/* ---- Reading ---- */

static bool take_number(const json_t *file, const char *name,
                        uint64_t *ret_number)
{
    const json_t *value = json_object_get(file, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *ret_number = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_all(const json_t *file, struct bookmark *bookmark)
{
    uint64_t format;
    const char *key = json_string_value(json_object_get(file, "key"));
    const char *digest = json_string_value(json_object_get(file, "digest"));
    if (key == NULL || digest == NULL || strlen(digest) != DIGEST_DIGITS ||
        strlen(key) >= sizeof bookmark->key ||
        !take_number(file, "format", &format) || format != FORMAT)
        return false;
    memcpy(bookmark->key, key, strlen(key) + 1);
    bookmark->digest = strtoull(digest, NULL, 16);
    return take_number(file, "line", &bookmark->line) &&
           take_number(file, "until", &bookmark->until) &&
           take_number(file, "stored", &bookmark->stored) &&
           take_number(file, "refused", &bookmark->refused);
}

int bookmark_load(const char *path, struct bookmark *ret_bookmark,
                  bool *ret_found, struct error *error)
{
    struct bookmark bookmark;
    FILE *from = fopen(path, "re");
    *ret_found = from != NULL;
    if (from == NULL)
        return errno == ENOENT ? 0 : error_system(error, errno, "%s", path);
    json_t *file = json_loadf(from, JSON_REJECT_DUPLICATES, NULL);
    fclose(from);
    bool good = take_all(file, &bookmark);
    json_decref(file);
    if (!good)
        return error_set(error, ERR_INVALID,
                         "%s is no file that `postoffice send --resume' wrote",
                         path);
    *ret_bookmark = bookmark;
    return 0;
}

/* ---- Writing ---- */

static char *text_of(const struct bookmark *bookmark)
{
    char digest[DIGEST_DIGITS + 1];
    snprintf(digest, sizeof digest, "%016" PRIx64, bookmark->digest);
    json_t *file = json_pack(
        "{s:i, s:s, s:I, s:I, s:s, s:I, s:I}", "format", FORMAT, "key",
        bookmark->key, "line", (json_int_t)bookmark->line, "until",
        (json_int_t)bookmark->until, "digest", digest, "stored",
        (json_int_t)bookmark->stored, "refused", (json_int_t)bookmark->refused);
    char *text = json_dumps(file, JSON_COMPACT);
    json_decref(file);
    return text;
}

static int write_synced(const char *place, const char *text,
                        struct error *error)
{
    int fd = open(place, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_system(error, errno, "%s", place);
    size_t length = strlen(text);
    ssize_t written = write(fd, text, length);
    int rc = 0;
    if (written >= 0 && (size_t)written < length)
        rc = error_system(error, ENOSPC, "write %s", place);
    else if (written < 0 || fsync(fd) != 0)
        rc = error_system(error, errno, "write %s", place);
    close(fd);
    return rc;
}

/* A name counts once its directory is synced. */
static int sync_directory(const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? memory_text(".")
                                 : memory_text(slash == path ? "/" : path);
    if (slash != NULL && slash != path)
        folder[slash - path] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;
    if (fd < 0 || fsync(fd) != 0)
        rc = error_system(error, errno, "sync %s", folder);
    if (fd >= 0)
        close(fd);
    free(folder);
    return rc;
}

int bookmark_save(const char *path, const struct bookmark *bookmark,
                  struct error *error)
{
    struct encoder place = {0};
    char *text = text_of(bookmark);
    encoder_print(&place, "%s.new", path);
    int rc = write_synced(encoder_text(&place), text, error);
    if (rc == 0 && rename(encoder_text(&place), path) != 0)
        rc = error_system(error, errno, "rename to %s", path);
    if (rc == 0)
        rc = sync_directory(path, error);
    free(text);
    encoder_close(&place);
    return rc;
}
