/* frame_fields.h - the format of each type of frame; for frame.c alone.
 * Thread: any. */
#ifndef POSTOFFICE_RAFT_FRAME_FIELDS_H
#define POSTOFFICE_RAFT_FRAME_FIELDS_H

#include "base/codec.h"
#include "raft/frame.h"

/* An entry's term, checksum, length and type. */
enum { FRAME_ENTRY_FIELDS = 21 };

struct frame_format {
    const char *name; /* NULL: there is no such type. */
    uint32_t fields_min;
    uint32_t fields_max;
    uint32_t payload_max;
    enum frame_lane lane; /* AppendEntries without entries: LANE_SMALL. */
    /* Writes the fields. */
    void (*encode)(const struct frame *frame, struct encoder *to);
    /* Reads them; payload, buffer, room for entries and the sender's id are
     * there. False: a field is out of its form, with words. That nothing is
     * missing or left over is for the caller to see. */
    bool (*decode)(struct decoder *from, struct frame *ret,
                   struct error *error);
};

extern const struct frame_format frame_formats[FRAME_TYPES];

#endif
