/* log.h - the log on disk: recovery, appending, reading back, recycling.
 *
 *     directory/segment-N ...   files, oldest first; formats in segment.h
 *
 *     log_append() --> writer thread --> log_poll() --> written()
 *     log_read()   --> reader thread --> log_poll() --> read()
 *     log_trim()   --> preparer thread: old segments become new ones
 *
 * Opening reads every segment and checks every record. An unfinished write at
 * the very end is cut; anything else that does not fit is named and refused,
 * for a node that starts with a shorter log than it acknowledged could vote
 * for a leader that lacks what is committed.
 * Thread: the loop; opening and closing wait for the disk. */
#ifndef POSTOFFICE_RAFT_LOG_H
#define POSTOFFICE_RAFT_LOG_H

#include "raft/log_reader.h"
#include "raft/log_writer.h"
#include "raft/positions.h"

struct log;

struct log_options {
    int directory;               /* Borrowed until close, as the next one. */
    struct vote_file *vote_file; /* NULL: log_vote() is not used. */
    uint64_t log_id;
    uint64_t segment_bytes; /* A multiple of SEGMENT_BLOCK. */
    void *context;
    /* There is something to log_poll(). From any of the log's threads. */
    void (*wake)(void *context);
    /* By log_poll(). The request goes back to whoever made it. */
    void (*written)(void *context, struct log_write *write);
    void (*read)(void *context, struct log_read *read);
};

/* What was found: the base of the first segment and all entries behind it,
 * payloads only of CHANGEs. */
struct log_found {
    struct log_base base;
    struct entry *entries;
    size_t count;
    bool torn; /* An unfinished write was cut. */
};
void log_found_close(struct log_found *found);

/* Whether the directory holds any segment. Errors: ERR_IO. */
int log_exists(int directory, bool *ret, struct error *error);

/* Makes a log of one segment that holds these entries, durably; whatever is
 * there of an unfinished attempt is removed first.
 * Errors: ERR_IO, ERR_NO_SPACE. */
int log_create(int directory, uint64_t log_id, uint64_t segment_bytes,
               struct entry *entries, size_t count, struct error *error);

/* Recovers. Errors: ERR_CORRUPT (damaged, foreign or missing segments),
 * ERR_VERSION, ERR_IO. */
int log_open(const struct log_options *options, struct log **ret,
             struct log_found *ret_found, struct error *error);
/* Starts the threads; wake() is not called before. What was found is durable
 * when it returns 0. Errors: ERR_IO. After one, only log_close(). */
int log_start(struct log *log, struct error *error);

/* Writes what was appended and a MARK, and ends the threads; wake() is not
 * called after. It waits for the disk; any one thread may call it. */
void log_end(struct log *log);
/* Ends the threads if log_end() was not called, and calls written() and read()
 * for what is left. NULL is fine. */
void log_close(struct log *log);

/* Takes the request until written(). */
void log_append(struct log *log, struct log_write *write);
/* Entries from first_index on, at least one, at most about this many bytes.
 * They must be in log_positions(), and stay there until read(): one read at a
 * time, and log_trim() keeps what it reads. */
void log_read(struct log *log, uint64_t first_index, uint64_t last_index,
              size_t bytes_max);

/* Runs written() and read(). Errors: what stopped the threads. */
int log_poll(struct log *log, struct error *error);

const struct positions *log_positions(const struct log *log);
bool log_has_room(struct log *log, size_t payload_length, size_t reserve);
/* The next segment could not be made for lack of space. */
bool log_no_space(struct log *log);
/* The largest payload that a segment can take. */
size_t log_entry_bytes_max(const struct log *log);
/* positions_plan(), less what a read under way needs. */
const struct position_segment *log_plan(const struct log *log,
                                        uint64_t durable_index);
/* Gives the segments before `number` to the preparer. */
void log_trim(struct log *log, uint64_t number);

struct log_figures {
    uint64_t bytes; /* On disk. */
    struct log_writer_figures writer;
    bool no_space;
};
struct log_figures log_figures(struct log *log);

#endif
