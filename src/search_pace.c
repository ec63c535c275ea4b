#include "search_pace.h"

#include "base/bounds.h"
#include "base/clock.h"

#include <time.h>

enum {
    /* What the index leads to is found within this. */
    FREE_US = 3000,
    /* After that, so much work and so much rest. */
    WORK_US = 1000,
    REST_US = 32000,
    /* How busy it is, over so long at least; entries a second: each is a write
     * of the log. */
    LOAD_MS = 250,
    BUSY_PER_SECOND = 20,
};

void search_pace_begin(struct search_pace *pace, uint64_t now_us, bool busy)
{
    *pace =
        (struct search_pace){.busy = busy,
                             .deadline_us = now_us + BOUND_SEARCH_MS * 1000u,
                             .rest_us = now_us + FREE_US};
}

uint64_t search_pace_rest(struct search_pace *pace, uint64_t now_us)
{
    uint64_t rest_us = REST_US;
    if (!pace->busy || now_us < pace->rest_us || now_us >= pace->deadline_us)
        return 0;
    if (pace->deadline_us - now_us < rest_us)
        rest_us = pace->deadline_us - now_us;
    pace->rest_us = now_us + rest_us + WORK_US;
    return rest_us;
}

bool search_pace_spent(void *context)
{
    struct search_pace *pace = context;
    uint64_t now_us = clock_us();
    uint64_t rest_us = search_pace_rest(pace, now_us);
    if (rest_us > 0) {
        struct timespec rest = {.tv_nsec = (long)rest_us * 1000};
        nanosleep(&rest, NULL);
        now_us = clock_us();
    }
    return now_us >= pace->deadline_us;
}

bool search_load_look(struct search_load *load, uint64_t now_ms,
                      uint64_t applied_index)
{
    uint64_t passed_ms = now_ms - load->looked_ms;
    if (load->looked_ms != 0 && passed_ms < LOAD_MS)
        return load->busy;
    load->busy =
        load->looked_ms != 0 && (applied_index - load->applied_index) * 1000 >=
                                    passed_ms * BUSY_PER_SECOND;
    load->looked_ms = now_ms;
    load->applied_index = applied_index;
    return load->busy;
}
