/* Opening, closing and reading. The index's own state is one row, written with
 * each batch in the same transaction. */
#include "storage/index_inside.h"

#include "storage/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STATE_KEY "state"
#define STATE_CLOSED "closed\n"

/* ---- Whether the files can be used ---- */

enum { STATE_SIZE = 64 };

/* Which boot of the machine this is: what was written without a sync since
 * then is there, whoever was killed. Empty: not known. */
static void read_file(const char *path, char text[STATE_SIZE])
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t got = read(fd, text, STATE_SIZE - 1);
    text[got > 0 ? got : 0] = '\0';
    close(fd);
}

static int write_state(const char *directory, const char *text,
                       struct error *error)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/state", directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_system(error, errno, "open %s", path);
    size_t length = strlen(text);
    int rc = 0;
    if (write(fd, text, length) != (ssize_t)length || fsync(fd) != 0)
        rc = error_system(error, errno, "write %s", path);
    close(fd);
    return rc;
}

static bool files_usable(const char *directory, const char *boot)
{
    char path[PATH_MAX];
    char state[STATE_SIZE];
    snprintf(path, sizeof path, "%s/state", directory);
    read_file(path, state);
    return strcmp(state, STATE_CLOSED) == 0 ||
           (boot[0] != '\0' && strcmp(state, boot) == 0);
}

static void remove_files(const char *directory)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        unlink(path);
    }
}

/* ---- Open and close ---- */

static int environment_try(struct index *index, uint64_t map_bytes,
                           struct error *error)
{
    struct environment_options options = {.map_bytes = map_bytes,
                                          .first = INDEX_DATABASE_FIRST,
                                          .end = INDEX_DATABASE_END,
                                          .unsynced = true};
    return environment_open(index->directory, &options, &index->environment,
                            error);
}

int index_open(const char *directory, uint64_t map_bytes,
               struct index **ret_index, struct error *error)
{
    struct index *index = memory_new_zeroed(1, sizeof *index);
    char boot[STATE_SIZE];
    index->directory = memory_text(directory);
    read_file("/proc/sys/kernel/random/boot_id", boot);
    if (!files_usable(directory, boot))
        remove_files(directory);
    int rc = environment_try(index, map_bytes, error);
    if (rc != 0 && rc != ERR_NO_SPACE) {
        remove_files(directory);
        rc = environment_try(index, map_bytes, error);
    }
    if (rc == 0)
        rc = write_state(directory, boot, error);
    if (rc != 0) {
        environment_close(index->environment);
        free(index->directory);
        free(index);
        return error_wrap(error, rc, "index in %s", directory);
    }
    *ret_index = index;
    return 0;
}

void index_close(struct index *index)
{
    if (index == NULL)
        return;
    int rc = environment_sync(index->environment, NULL);
    environment_close(index->environment);
    if (rc == 0)
        write_state(index->directory, STATE_CLOSED, NULL);
    encoder_close(&index->scratch);
    free(index->directory);
    free(index);
}

void index_damaged(struct index *index)
{
    atomic_store(&index->damaged, true);
    atomic_store(&index->trusted, false);
}

uint64_t index_upto(const struct index *index)
{
    return atomic_load(&index->upto);
}

/* ---- Its state ---- */

int index_state_get(struct transaction *transaction,
                    struct index_state *ret_state, struct error *error)
{
    struct slice content;
    struct index_state state = {0};
    int rc = record_get(transaction, INDEX_META, slice_text(STATE_KEY),
                        &content, error);
    if (rc != 0)
        return rc;
    struct decoder in = decoder_of(content);
    uint32_t format = decoder_u32(&in);
    struct slice cluster = decoder_bytes(&in, sizeof state.cluster_id);
    state.applied_index = decoder_u64(&in);
    state.upto = decoder_u64(&in);
    if (!decoder_done(&in) || format != INDEX_FORMAT)
        return ERR_CORRUPT;
    memcpy(state.cluster_id, cluster.data, sizeof state.cluster_id);
    *ret_state = state;
    return 0;
}

int index_state_put(struct index *index, struct transaction *transaction,
                    const struct index_state *state, struct error *error)
{
    struct encoder *out = &index->scratch;
    out->length = 0;
    encoder_u32(out, INDEX_FORMAT);
    encoder_bytes(out, slice_of(state->cluster_id, sizeof state->cluster_id));
    encoder_u64(out, state->applied_index);
    encoder_u64(out, state->upto);
    return record_put(transaction, INDEX_META, slice_text(STATE_KEY),
                      encoder_slice(out), error);
}

/* ---- Views ---- */

int index_view_begin(struct index *index, struct index_view *ret_view,
                     struct error *error)
{
    struct index_state state = {0};
    *ret_view = (struct index_view){.upto = 0};
    if (!atomic_load(&index->trusted))
        return 0;
    int rc = transaction_begin(index->environment, false,
                               &ret_view->transaction, error);
    if (rc == 0)
        rc = index_state_get(&ret_view->transaction, &state, error);
    ret_view->upto = state.upto;
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

void index_view_end(struct index_view *view)
{
    transaction_abort(&view->transaction);
}

int index_has_field(struct index_view *view, uint32_t topic_id,
                    struct slice pointer, bool *ret_has, struct error *error)
{
    struct key key = key_of_u32(topic_id);
    struct slice list;
    struct slice text;
    *ret_has = false;
    int rc = record_get(&view->transaction, INDEX_FIELD, key_slice(&key), &list,
                        error);
    while (rc == 0 && text_list_next(&list, &text) == 0)
        *ret_has |= slice_equal(text, pointer);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}
