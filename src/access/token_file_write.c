/* Writing: the whole file is made anew beside the old one and renamed over it.
 * Who writes holds a lock on the directory, so that no two lose a line to one
 * another. */
#include "token_file.h"

#include "base/bounds.h"
#include "base/codec.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* An edit of the file: the old bytes, and the new ones. */
struct edit {
    const char *path;
    char *place;   /* The name that the new file has at first. */
    int directory; /* Locked. */
    mode_t mode;   /* Of the old file; else for its owner alone. */
    struct encoder old_text;
    struct encoder new_text;
};

static int read_old(struct edit *edit, struct error *error)
{
    struct stat status;
    FILE *file = fopen(edit->path, "re");
    if (file == NULL)
        return errno == ENOENT
                   ? 0
                   : error_system(error, errno, "tokens file %s", edit->path);
    if (fstat(fileno(file), &status) == 0)
        edit->mode = status.st_mode & 07777;
    char block[4096];
    size_t length;
    while ((length = fread(block, 1, sizeof block, file)) > 0 &&
           edit->old_text.length <= BOUND_TOKEN_FILE_BYTES)
        encoder_bytes(&edit->old_text, slice_of(block, length));
    int rc = 0;
    if (ferror(file))
        rc = error_system(error, errno, "read %s", edit->path);
    fclose(file);
    return rc;
}

/* What is there must be sound before anything is added to it. */
static int edit_begin(struct edit *edit, const char *path, struct error *error)
{
    char *copy = memory_text(path);
    *edit = (struct edit){.path = path, .mode = S_IRUSR | S_IWUSR};
    edit->directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (edit->directory < 0 || flock(edit->directory, LOCK_EX) != 0)
        return error_system(error, errno, "the directory of %s", path);
    struct token_list list;
    int rc = read_old(edit, error);
    if (rc != 0)
        return rc;
    rc = token_file_parse(encoder_slice(&edit->old_text), &list, error);
    if (rc != 0)
        return error_wrap(error, rc, "tokens file %s", path);
    token_list_close(&list);
    return 0;
}

static int write_new(const struct edit *edit, int fd, struct error *error)
{
    struct slice left = encoder_slice(&edit->new_text);
    while (left.length > 0) {
        ssize_t written = write(fd, left.data, left.length);
        if (written < 0 && errno != EINTR)
            return error_system(error, errno, "write %s", edit->place);
        if (written > 0)
            left = slice_of(left.data + written, left.length - (size_t)written);
    }
    if (fchmod(fd, edit->mode) != 0 || fsync(fd) != 0)
        return error_system(error, errno, "write %s", edit->place);
    return 0;
}

static int edit_commit(struct edit *edit, struct error *error)
{
    size_t size = strlen(edit->path) + sizeof ".XXXXXX";
    edit->place = memory_new(size);
    snprintf(edit->place, size, "%s.XXXXXX", edit->path);
    int fd = mkostemp(edit->place, O_CLOEXEC);
    if (fd < 0)
        return error_system(error, errno, "make %s", edit->place);
    int rc = write_new(edit, fd, error);
    close(fd);
    if (rc == 0 && rename(edit->place, edit->path) != 0)
        rc = error_system(error, errno, "rename to %s", edit->path);
    if (rc != 0) {
        unlink(edit->place);
        return rc;
    }
    if (fsync(edit->directory) != 0)
        return error_system(error, errno, "sync the directory of %s",
                            edit->path);
    return 0;
}

static void edit_close(struct edit *edit)
{
    encoder_close(&edit->old_text);
    encoder_close(&edit->new_text);
    free(edit->place);
    if (edit->directory >= 0)
        close(edit->directory); /* And the lock goes. */
}

/* ---- Lines ---- */

static void write_topics(struct encoder *out, struct slice topics)
{
    struct slice topic;
    bool first = true;
    if (topics.length == 0)
        encoder_u8(out, '*');
    while (text_list_next(&topics, &topic) == 0) {
        if (!first)
            encoder_u8(out, ',');
        encoder_bytes(out, topic);
        first = false;
    }
}

static void write_token(struct encoder *out, const struct token *token)
{
    encoder_bytes(out, token->name);
    encoder_print(out, " %s ", role_text(token->role));
    write_topics(out, token->topics);
    encoder_print(out, " sha256:");
    for (size_t i = 0; i < TOKEN_DIGEST_SIZE; i++)
        encoder_print(out, "%02x", token->digest[i]);
    encoder_u8(out, '\n');
}

/* Whether the line is of the token with this name. */
static bool line_is_of(struct slice line, struct slice name)
{
    size_t start = 0;
    while (start < line.length &&
           (line.data[start] == ' ' || line.data[start] == '\t'))
        start++;
    return line.length > start + name.length &&
           memcmp(line.data + start, name.data, name.length) == 0 &&
           (line.data[start + name.length] == ' ' ||
            line.data[start + name.length] == '\t');
}

/* Copies all lines but the name's; true: there was one. A last line without
 * an end gets one. */
static bool copy_without(struct edit *edit, struct slice name)
{
    struct slice text = encoder_slice(&edit->old_text);
    bool found = false;
    while (text.length > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.length);
        size_t length = end == NULL ? text.length : (size_t)(end - text.data);
        struct slice line = slice_of(text.data, length);
        if (line_is_of(line, name)) {
            found = true;
        } else {
            encoder_bytes(&edit->new_text, line);
            encoder_u8(&edit->new_text, '\n');
        }
        size_t taken = end == NULL ? length : length + 1;
        text = slice_of(text.data + taken, text.length - taken);
    }
    return found;
}

int token_file_add(const char *path, const struct token *token,
                   struct error *error)
{
    struct edit edit;
    struct token_list list;
    int rc = edit_begin(&edit, path, error);
    if (rc == 0 && copy_without(&edit, token->name))
        rc = error_set(error, ERR_EXISTS, "%s has a token of the name %.*s",
                       path, (int)token->name.length, token->name.data);
    if (rc == 0) {
        write_token(&edit.new_text, token);
        rc = token_file_parse(encoder_slice(&edit.new_text), &list, error);
    }
    if (rc == 0) {
        token_list_close(&list);
        rc = edit_commit(&edit, error);
    }
    edit_close(&edit);
    return rc;
}

int token_file_remove(const char *path, struct slice name, struct error *error)
{
    struct edit edit;
    int rc = edit_begin(&edit, path, error);
    if (rc == 0 && !copy_without(&edit, name))
        rc = error_set(error, ERR_NOT_FOUND, "%s has no token of the name %.*s",
                       path, (int)name.length, name.data);
    if (rc == 0)
        rc = edit_commit(&edit, error);
    edit_close(&edit);
    return rc;
}
