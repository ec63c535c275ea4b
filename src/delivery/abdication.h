/* abdication.h - the order in which leadership is given away, so that nothing
 * is sent twice; without I/O.
 *
 *   IDLE --begin--> DRAINING --all is settled, or time is up--> ASKING
 *    ^                 |                                          |
 *    |                 `------------ (never asked) -------.       |
 *    `--ended: another leads, or deliveries go on here <--+-------+
 *
 * Grant no more; what is under way ends and is settled in the log; only then
 * may another be asked to lead. So the next leader finds nothing open, and has
 * nothing to doubt.
 *
 * Times never run back. Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_ABDICATION_H
#define POSTOFFICE_DELIVERY_ABDICATION_H

#include "leadership.h"

/* Zero-initialised: IDLE. */
struct abdication {
    enum { ABDICATION_IDLE, ABDICATION_DRAINING, ABDICATION_ASKING } state;
    bool stay;         /* Deliveries go on here if it fails. */
    bool drained;      /* Nothing was left in doubt. */
    uint32_t heir;     /* Node id; 0: any. */
    uint64_t until_ms; /* Draining ends then at the latest. */
};

/* Begins to drain. Once more while it is under way: ERR_BUSY, unless this node
 * is going away (`stay` is false), which takes the place of the one before. */
int abdication_begin(struct abdication *abdication,
                     struct leadership *leadership, uint32_t heir, bool stay,
                     uint64_t until_ms);

/* To be asked again and again. True, once: ask the heir to lead now; then
 * abdication_ended(). */
bool abdication_may_ask(struct abdication *abdication,
                        const struct leadership *leadership, uint64_t now_ms);

/* Another leads, or nobody could be asked, or it has not taken it. */
void abdication_ended(struct abdication *abdication,
                      struct leadership *leadership, uint64_t wall_ms);

#endif
