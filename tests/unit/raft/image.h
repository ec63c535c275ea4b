/* image.h - a segment in memory, written record by record as the log writer
 * does, and walked as recovery does. */
#ifndef POSTOFFICE_TESTS_RAFT_IMAGE_H
#define POSTOFFICE_TESTS_RAFT_IMAGE_H

#include "raft/segment.h"

struct image {
    struct segment_header header;
    struct segment_cursor cursor;
    size_t bytes;
    uint8_t *data; /* The test may change it. */
};

void image_init(struct image *image, uint64_t number, uint64_t seed,
                size_t bytes);
/* Goes on over what is there, with a new header: a recycled segment. */
void image_recycle(struct image *image, uint64_t number, uint64_t seed);
void image_close(struct image *image);

void image_put(struct image *image, enum record_type type, uint64_t index,
               struct slice payload, bool ends_batch);
void image_put_base(struct image *image, uint64_t index);
/* A command whose payload of this length is made from its index. */
void image_put_command(struct image *image, uint64_t index, size_t length,
                       bool ends_batch);
void image_put_mark(struct image *image, uint64_t index);

struct image_walk {
    enum segment_verdict verdict; /* How it ended. */
    bool header_bad;
    uint64_t records;
    uint64_t last_index; /* Of entries. */
    uint64_t offset;     /* Where it ended. */
    bool wrong;          /* A payload or index was not what was written. */
};
struct image_walk image_walk(const struct image *image);

#endif
