/* log_limit.h - how much of the same line goes to the log: so many of each
 * sentence in a window, and of those behind them only the number.
 *
 * A client that sends nonsense, or a target that refuses, can cause a line a
 * request: the disk is not to be filled by it, nor other lines drowned. A
 * sentence is told by its address, for it stands in the program's text.
 * Zero-initialised is empty. No clock, no lock. Thread: one at a time. */
#ifndef POSTOFFICE_BASE_LOG_LIMIT_H
#define POSTOFFICE_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    LOG_LIMIT_WINDOW_MS = 10 * 1000,
    LOG_LIMIT_LINES = 200, /* Of one sentence in a window. */
    LOG_LIMIT_SENTENCES = 256,
};

struct log_limit {
    struct log_limit_item {
        const char *sentence; /* NULL: free. */
        uint64_t since_ms;
        uint32_t lines;
        uint64_t silenced;
    } items[LOG_LIMIT_SENTENCES];
};

/* True: write it, and with it how many like it were not since the last one.
 * What finds no room in the table is always written. */
bool log_limit_allows(struct log_limit *limit, const char *sentence,
                      uint64_t now_ms, uint64_t *ret_silenced);

#endif
