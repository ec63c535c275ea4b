#include "raft/cluster_home.h"

#include "base/logger.h"
#include "raft/disk.h"
#include "raft/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <raft.h>
#include <sys/stat.h>
#include <unistd.h>

static const char log_name[] = "log";

/* The voters that a cluster begins with, in the same order everywhere. */
static int first_voters(const struct cluster_home_options *options,
                        const struct vote *vote,
                        struct raft_configuration *configuration)
{
    if (options->members_count <= 1)
        return raft_configuration_add(configuration, vote_raft_id(vote),
                                      options->address, RAFT_VOTER);
    int rc = 0;
    for (size_t i = 0; i < options->members_count && rc == 0; i++) {
        const struct cluster_address *member = &options->members[i];
        const struct vote its = {.node_id = member->node_id, .incarnation = 1};
        rc = raft_configuration_add(configuration, vote_raft_id(&its),
                                    member->address, RAFT_VOTER);
    }
    return rc;
}

/* The first entry of every log: its members. */
static int first_entry(const struct cluster_home_options *options,
                       const struct vote *vote, struct entry *ret,
                       struct error *error)
{
    struct raft_configuration configuration;
    struct raft_buffer bytes = {0};
    raft_configuration_init(&configuration);
    int rc = first_voters(options, vote, &configuration);
    if (rc == 0)
        rc = raft_configuration_encode(&configuration, &bytes);
    raft_configuration_close(&configuration);
    if (rc != 0)
        return error_set(error, ERR_NO_MEMORY, "found a cluster: %s",
                         raft_strerror(rc));
    struct buffer *payload = entry_copy(slice_of(bytes.base, bytes.len));
    raft_free(bytes.base);
    if (payload == NULL)
        return error_set(error, ERR_NO_MEMORY, "found a cluster");
    *ret = (struct entry){
        .index = 1,
        .term = 1,
        .checksum = entry_checksum(buffer_slice(payload)),
        .type = ENTRY_CHANGE,
        .payload = buffer_slice(payload),
        .buffer = payload,
    };
    return 0;
}

static int found_log(struct cluster_home *home,
                     const struct cluster_home_options *options,
                     struct error *error)
{
    struct entry entry = {0};
    int rc = first_entry(options, &home->vote, &entry, error);
    if (rc == 0)
        rc = log_create(home->log_directory, home->vote.log_id,
                        options->segment_bytes, &entry, 1, error);
    entry_unref(&entry);
    if (rc != 0)
        return rc;
    home->vote.stage = VOTE_SERVING;
    return vote_write(home->vote_file, &home->vote, error);
}

static int found_vote(struct cluster_home *home,
                      const struct cluster_home_options *options,
                      struct error *error)
{
    bool alone = options->members_count <= 1;
    home->vote = (struct vote){
        .stage = VOTE_FOUNDING,
        .term = 1,
        .log_id = disk_random(),
        .node_id = options->node_id,
        .incarnation = 1,
        .nonce = alone ? 0 : disk_random() | 1,
    };
    if (alone)
        LOG_INFO("raft", "founding a cluster of this node alone",
                 FIELD_U64("node", options->node_id));
    return vote_create(home->directory, &home->vote, &home->vote_file, error);
}

static bool has_log_directory(const struct cluster_home *home)
{
    struct stat status;
    return fstatat(home->directory, log_name, &status, 0) == 0;
}

static int open_log_directory(struct cluster_home *home, bool create,
                              bool *ret_exists, struct error *error)
{
    int rc = disk_open_directory(home->directory, log_name, create,
                                 &home->log_directory, error);
    return rc == 0 ? log_exists(home->log_directory, ret_exists, error) : rc;
}

/* Without a vote file there must be nothing else. */
static int check_nothing(struct cluster_home *home,
                         const struct cluster_home_options *options,
                         struct error *error)
{
    bool exists = false;
    if (has_log_directory(home)) {
        int rc = open_log_directory(home, false, &exists, error);
        if (rc != 0)
            return rc;
        close(home->log_directory);
        home->log_directory = -1;
    }
    if (exists)
        return error_set(error, ERR_CORRUPT,
                         "there is a log in %s, but no vote file: how this "
                         "node has voted is unknown; rebuild it",
                         options->directory);
    if (options->applied_index > 0)
        return error_set(error, ERR_CORRUPT,
                         "the store holds entries up to %" PRIu64
                         ", but %s holds neither log nor vote file",
                         options->applied_index, options->directory);
    return 0;
}

static int check_vote(const struct cluster_home *home,
                      const struct cluster_home_options *options,
                      struct error *error)
{
    if (home->vote.node_id != options->node_id)
        return error_set(
            error, ERR_CONFLICT, "%s belongs to node %u, but this is node %u",
            options->directory, home->vote.node_id, options->node_id);
    if (home->vote.stage != VOTE_FOUNDING && home->vote.stage != VOTE_SERVING)
        return error_set(error, ERR_VERSION,
                         "the vote file says a state that this program does "
                         "not know");
    /* The others may have founded the cluster, counting on this node. */
    if (home->vote.stage == VOTE_FOUNDING &&
        (home->vote.nonce == 0) != (options->members_count <= 1))
        return error_set(error, ERR_CONFLICT,
                         "%s was begun with another --initial-cluster; give "
                         "that again, or remove the directory",
                         options->directory);
    return 0;
}

static int open_parts(struct cluster_home *home,
                      const struct cluster_home_options *options,
                      struct error *error)
{
    bool exists = false;
    int rc = vote_open(home->directory, &home->vote_file, &home->vote, error);
    if (rc == ERR_NOT_FOUND) {
        rc = check_nothing(home, options, error);
        if (rc == 0)
            rc = found_vote(home, options, error);
    }
    if (rc == 0)
        rc = check_vote(home, options, error);
    if (rc != 0)
        return rc;
    bool founding = home->vote.stage == VOTE_FOUNDING;
    if (!founding && !has_log_directory(home))
        return error_set(error, ERR_CORRUPT,
                         "%s has a vote file, but its log is missing; rebuild "
                         "this node",
                         options->directory);
    rc = open_log_directory(home, founding, &exists, error);
    if (rc != 0)
        return rc;
    home->waiting = founding && home->vote.nonce != 0;
    if (home->waiting)
        return 0;
    if (founding)
        return found_log(home, options, error);
    if (!exists)
        return error_set(error, ERR_CORRUPT,
                         "%s has a vote file, but its log is empty; rebuild "
                         "this node",
                         options->directory);
    return 0;
}

int cluster_home_open(const struct cluster_home_options *options,
                      struct cluster_home *ret, struct error *error)
{
    struct cluster_home home = {.directory = -1, .log_directory = -1};
    int rc = disk_open_directory(AT_FDCWD, options->directory, true,
                                 &home.directory, error);
    if (rc == 0)
        rc = open_parts(&home, options, error);
    if (rc == 0)
        *ret = home;
    else
        cluster_home_close(&home);
    return rc;
}

int cluster_home_found(struct cluster_home *home,
                       const struct cluster_home_options *options,
                       uint64_t log_id, struct error *error)
{
    home->vote.log_id = log_id;
    int rc = found_log(home, options, error);
    if (rc == 0)
        home->waiting = false;
    return error_wrap(error, rc, "found a cluster");
}

void cluster_home_close(struct cluster_home *home)
{
    vote_close(home->vote_file);
    home->vote_file = NULL;
    if (home->log_directory >= 0)
        close(home->log_directory);
    if (home->directory >= 0)
        close(home->directory);
    home->directory = home->log_directory = -1;
}
