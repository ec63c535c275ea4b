/* releases.h - when scheduled messages are due, topic by topic: the logic of
 * letting them go, without I/O.
 *
 *     scheduled, or loaded --> WAITS --due--> RELEASE proposed --applied-->
 *          ^                                                    what is next?
 *          +------------------------- read from the store <-----------+
 *
 * A topic is proposed when its first message is due, never earlier, and one
 * command at a time. Apply looks at the log's clock once more.
 * Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_RELEASES_H
#define POSTOFFICE_DELIVERY_RELEASES_H

#include "agenda.h"
#include "base/table.h"

struct releases {
    struct table topics;
    struct agenda agenda;
};

/* A message of the topic is scheduled for this time. */
void releases_scheduled(struct releases *releases, uint32_t topic_id,
                        uint64_t due_ms);
/* The next topic of which messages are to be released now; it is left alone
 * until releases_known(). 0: none. */
uint32_t releases_take(struct releases *releases, uint64_t now_ms);
/* The command was carried out, or refused, and the store says when the first
 * of what is left is due; 0: nothing is left. */
void releases_known(struct releases *releases, uint32_t topic_id,
                    uint64_t due_ms);
void releases_forget(struct releases *releases, uint32_t topic_id);
uint64_t releases_first_ms(const struct releases *releases); /* 0: none. */
void releases_close(struct releases *releases);

#endif
