/* wishes.h - what publishers may ask for and what messages are like, drawn by
 * chance; and, told a second time without the product's own code, which
 * message is wanted by which filter. */
#ifndef POSTOFFICE_TESTS_SIM_WISHES_H
#define POSTOFFICE_TESTS_SIM_WISHES_H

#include "dice.h"
#include "storage/command.h"

enum { KINDS = 3, MESSAGE_KEYS = 3, FILTERS = 6 };

/* A message, as its client made it. */
struct likeness {
    uint8_t kind;         /* Below KINDS: in an attribute and in the payload. */
    uint8_t key;          /* 0: none. */
    uint64_t schedule_ms; /* 0: at once. */
};
struct likeness likeness_draw(struct dice *dice, uint64_t wall_ms);
/* The payload stands for the message's token as well. */
void likeness_encode(struct encoder *out, const struct likeness *likeness,
                     uint32_t topic_id, uint64_t token);
uint64_t token_of_payload(struct slice payload);

/* The options of a publisher, all of them plain data. */
struct wish {
    uint8_t filter; /* Which one of FILTERS; 0: none. */
    uint8_t max_in_flight;
    uint8_t max_attempts;
    uint8_t rate;
    uint8_t expire_seconds;
    uint8_t home; /* Where it lives: its target changes with it. */
    enum ordering ordering;
    enum poison on_poison;
    enum guarantee guarantee;
};
/* The guarantee and the window are the publisher's for life. */
struct wish wish_draw(struct dice *dice);
struct wish wish_change(struct dice *dice, const struct wish *old);
/* `target` must outlive what is returned. */
struct publisher_options wish_options(const struct wish *wish,
                                      uint32_t publisher, char target[24]);
/* The kinds that a filter lets pass, a bit for each; as it stands in options.
 */
unsigned filter_kinds(struct slice filter);

#endif
