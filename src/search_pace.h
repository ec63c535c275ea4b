/* search_pace.h - how much of the machine one page of a search may take.
 *
 * A page ends after BOUND_SEARCH_MS. While the cluster takes messages, a search
 * that goes beyond its first few milliseconds rests most of that time: its
 * thread has a low priority, yet in a container that may use so much and no
 * more, whatever it takes is missing elsewhere.
 * Thread: plain data; asked on the search's thread. */
#ifndef POSTOFFICE_SEARCH_PACE_H
#define POSTOFFICE_SEARCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct search_pace {
    bool busy;
    uint64_t deadline_us;
    uint64_t rest_us; /* When to rest next. */
};

void search_pace_begin(struct search_pace *pace, uint64_t now_us, bool busy);
/* How long to rest now before going on, which counts from then; 0: not now. */
uint64_t search_pace_rest(struct search_pace *pace, uint64_t now_us);
/* For struct message_query: rests when it is time to, by the real clock, and
 * tells whether the page must end. */
bool search_pace_spent(void *pace);

/* Whether entries are applied at more than a trickle, looked at now and then.
 * Thread: the loop. */
struct search_load {
    uint64_t looked_ms;
    uint64_t applied_index; /* At that time. */
    bool busy;
};
bool search_load_look(struct search_load *load, uint64_t now_ms,
                      uint64_t applied_index);

#endif
