#include "raft/vote.h"

#include "base/codec.h"
#include "base/logger.h"
#include "base/memory.h"
#include "raft/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum {
    SLOT_BYTES = 4096,
    SLOTS = 2,
    VERSION = 1,
    SLOT_MAGIC = 0,
    SLOT_VERSION = 8,
    SLOT_STAGE = 12,
    SLOT_GENERATION = 16,
    SLOT_TERM = 24,
    SLOT_VOTE = 32,
    SLOT_LOG_ID = 40,
    SLOT_NODE_ID = 48,
    SLOT_INCARNATION = 52,
    SLOT_NONCE = 56,
    SLOT_CHECKSUM = SLOT_BYTES - 8,
};

static const uint8_t magic[8] = {'P', 'O', 'S', 'T', 'V', 'O', 'T', 'E'};
static const char name[] = "vote";
static const char name_new[] = "vote.new";

struct vote_file {
    int file;
    uint64_t generation;
};

static void slot_encode(const struct vote *vote, uint64_t generation,
                        uint8_t slot[SLOT_BYTES])
{
    memset(slot, 0, SLOT_BYTES);
    memcpy(slot + SLOT_MAGIC, magic, sizeof magic);
    put_u32(slot + SLOT_VERSION, VERSION);
    put_u32(slot + SLOT_STAGE, vote->stage);
    put_u64(slot + SLOT_GENERATION, generation);
    put_u64(slot + SLOT_TERM, vote->term);
    put_u64(slot + SLOT_VOTE, vote->vote);
    put_u64(slot + SLOT_LOG_ID, vote->log_id);
    put_u32(slot + SLOT_NODE_ID, vote->node_id);
    put_u32(slot + SLOT_INCARNATION, vote->incarnation);
    put_u64(slot + SLOT_NONCE, vote->nonce);
    put_u64(slot + SLOT_CHECKSUM, XXH3_64bits(slot, SLOT_CHECKSUM));
}

static int slot_decode(const uint8_t slot[SLOT_BYTES], struct vote *ret,
                       uint64_t *ret_generation)
{
    if (memcmp(slot + SLOT_MAGIC, magic, sizeof magic) != 0 ||
        XXH3_64bits(slot, SLOT_CHECKSUM) != get_u64(slot + SLOT_CHECKSUM))
        return ERR_CORRUPT;
    if (get_u32(slot + SLOT_VERSION) != VERSION)
        return ERR_VERSION;
    *ret_generation = get_u64(slot + SLOT_GENERATION);
    *ret = (struct vote){
        .stage = get_u32(slot + SLOT_STAGE),
        .term = get_u64(slot + SLOT_TERM),
        .vote = get_u64(slot + SLOT_VOTE),
        .log_id = get_u64(slot + SLOT_LOG_ID),
        .node_id = get_u32(slot + SLOT_NODE_ID),
        .incarnation = get_u32(slot + SLOT_INCARNATION),
        .nonce = get_u64(slot + SLOT_NONCE),
    };
    return 0;
}

/* The newer of the two good slots; *ret_repair: the other must be rewritten. */
static int choose(const uint8_t slots[SLOTS][SLOT_BYTES], struct vote *ret,
                  uint64_t *ret_generation, bool *ret_repair,
                  struct error *error)
{
    struct vote votes[SLOTS];
    uint64_t generations[SLOTS] = {0, 0};
    int best = -1;
    for (int i = 0; i < SLOTS; i++) {
        int rc = slot_decode(slots[i], &votes[i], &generations[i]);
        if (rc == ERR_VERSION)
            return error_set(error, rc,
                             "the vote file was made by a newer version");
        if (rc == 0 && (best < 0 || generations[i] > generations[best]))
            best = i;
    }
    if (best < 0)
        return error_set(error, ERR_CORRUPT,
                         "both slots of the vote file are damaged: how this "
                         "node has voted is unknown; rebuild it from the "
                         "others");
    *ret = votes[best];
    *ret_generation = generations[best];
    *ret_repair = generations[0] != generations[1];
    return 0;
}

/* One slot after the other, each synced before the next is touched. */
static int write_slots(int file, const struct vote *vote, uint64_t generation,
                       struct error *error)
{
    uint8_t slot[SLOT_BYTES];
    slot_encode(vote, generation, slot);
    for (int i = 0; i < SLOTS; i++) {
        int rc = disk_write(file, slot, sizeof slot, (uint64_t)i * SLOT_BYTES,
                            name, error);
        if (rc == 0)
            rc = disk_sync(file, name, error);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static struct vote_file *vote_file_new(int file, uint64_t generation)
{
    struct vote_file *made = memory_new(sizeof *made);
    made->file = file;
    made->generation = generation;
    return made;
}

int vote_open(int directory, struct vote_file **ret, struct vote *ret_vote,
              struct error *error)
{
    uint8_t slots[SLOTS][SLOT_BYTES] = {{0}};
    struct vote vote;
    uint64_t generation = 0;
    size_t length;
    bool repair = false;
    int file = openat(directory, name, O_RDWR | O_CLOEXEC);
    if (file < 0 && errno == ENOENT)
        return error_set(error, ERR_NOT_FOUND, "there is no vote file");
    if (file < 0)
        return error_system(error, errno, "open the vote file");
    int rc = disk_read(file, slots, sizeof slots, 0, name, &length, error);
    if (rc != 0)
        goto out;
    rc = choose(slots, &vote, &generation, &repair, error);
    if (rc != 0)
        goto out;
    if (repair) {
        LOG_WARN("raft", "one slot of the vote file was bad or older, and is "
                         "written again from the other");
        rc = write_slots(file, &vote, generation, error);
        if (rc != 0)
            goto out;
    }
    *ret = vote_file_new(file, generation);
    *ret_vote = vote;
    file = -1;
out:
    if (file >= 0)
        close(file);
    return rc;
}

int vote_create(int directory, const struct vote *vote, struct vote_file **ret,
                struct error *error)
{
    int file = openat(directory, name_new,
                      O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0)
        return error_system(error, errno, "create the vote file");
    int rc = write_slots(file, vote, 1, error);
    if (rc != 0)
        goto out;
    if (renameat(directory, name_new, directory, name) != 0) {
        rc = error_system(error, errno, "name the vote file");
        goto out;
    }
    rc = disk_sync_directory(directory, error);
    if (rc != 0)
        goto out;
    *ret = vote_file_new(file, 1);
    file = -1;
out:
    if (file >= 0)
        close(file);
    return rc;
}

int vote_write(struct vote_file *file, const struct vote *vote,
               struct error *error)
{
    int rc = write_slots(file->file, vote, file->generation + 1, error);
    if (rc == 0)
        file->generation++;
    return rc;
}

void vote_close(struct vote_file *file)
{
    if (file == NULL)
        return;
    close(file->file);
    free(file);
}
