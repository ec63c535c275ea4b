/* trouble.h - when the node's log is told that deliveries to a publisher's
 * target fail, and when that is over; without I/O.
 *
 * A line when the cause (class and status) is another one than was told last,
 * and one at the first success behind it: an outage of a week is two lines. A
 * target that changes its mind all the time gets few lines a minute; what is
 * left out then is in the metrics and in the messages' histories.
 * Thread: the loop; plain data. */
#ifndef POSTOFFICE_DELIVERY_TROUBLE_H
#define POSTOFFICE_DELIVERY_TROUBLE_H

#include "storage/model.h"

enum {
    TROUBLE_LINES_MAX = 4, /* Of one publisher in so long. */
    TROUBLE_WINDOW_MS = 60 * 1000,
};

/* What the log was told last of one publisher. Zero-initialised: nothing. */
struct trouble {
    enum attempt_class class; /* ATTEMPT_OK: that it is over. */
    uint16_t status;
    uint32_t lines; /* Since `window_ms`. */
    uint64_t window_ms;
};

enum trouble_news { TROUBLE_NO_NEWS, TROUBLE_FAILS, TROUBLE_OVER };

/* What came of an attempt: is the log to be told? Yes counts as told. */
enum trouble_news trouble_note(struct trouble *trouble,
                               const struct attempt *attempt, uint64_t now_ms);

#endif
