#include "raft/complaint.h"

#include <stdio.h>
#include <string.h>

static bool is_over(const struct complaint *item, uint64_t now_ms)
{
    return item->source[0] == '\0' ||
           now_ms - item->since_ms >= COMPLAINT_WINDOW_MS;
}

/* The source's own item; or one whose window is over; or NULL. */
static struct complaint *find(struct complaints *complaints, const char *source,
                              uint64_t now_ms)
{
    struct complaint *over = NULL;
    for (unsigned i = 0; i < BOUND_COMPLAINTS; i++) {
        struct complaint *item = &complaints->items[i];
        if (strncmp(item->source, source, COMPLAINT_SOURCE - 1) == 0)
            return item;
        if (over == NULL && is_over(item, now_ms))
            over = item;
    }
    return over;
}

bool complaint_speaks(struct complaints *complaints, const char *source,
                      uint64_t now_ms, uint64_t *ret_silenced)
{
    struct complaint *item = find(complaints, source, now_ms);
    if (item == NULL) {
        complaints->silenced++;
        return false;
    }
    if (!is_over(item, now_ms)) {
        item->silenced++;
        return false;
    }
    *ret_silenced = item->silenced + complaints->silenced;
    complaints->silenced = 0;
    snprintf(item->source, sizeof item->source, "%s", source);
    item->since_ms = now_ms;
    item->silenced = 0;
    return true;
}
