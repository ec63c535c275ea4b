#include "base/log_limit.h"

#include <stddef.h>

/* NULL: the table is full. */
static struct log_limit_item *find(struct log_limit *limit,
                                   const char *sentence)
{
    size_t start = (uintptr_t)sentence / 8 % LOG_LIMIT_SENTENCES;
    for (size_t i = 0; i < LOG_LIMIT_SENTENCES; i++) {
        struct log_limit_item *item =
            &limit->items[(start + i) % LOG_LIMIT_SENTENCES];
        if (item->sentence == NULL)
            item->sentence = sentence;
        if (item->sentence == sentence)
            return item;
    }
    return NULL;
}

bool log_limit_allows(struct log_limit *limit, const char *sentence,
                      uint64_t now_ms, uint64_t *ret_silenced)
{
    struct log_limit_item *item = find(limit, sentence);
    *ret_silenced = 0;
    if (item == NULL)
        return true;
    if (item->lines == 0 || now_ms - item->since_ms >= LOG_LIMIT_WINDOW_MS) {
        item->since_ms = now_ms;
        item->lines = 0;
    }
    if (item->lines == LOG_LIMIT_LINES) {
        item->silenced++;
        return false;
    }
    item->lines++;
    *ret_silenced = item->silenced;
    item->silenced = 0;
    return true;
}
