/* news.h - what happens, told from the commands that are applied.
 *
 *     applied command --> news --event--> whoever follows (GET /api/events)
 *                          |
 *     tick, once a second -+--point--> series (GET /api/stats)
 *
 * Every node applies the same commands, so that every node tells the same:
 * nothing is asked of the leader. Dead letters come by the thousand when a
 * target is gone, and are told once a tick for each publisher.
 * No I/O, no clock. Thread: the loop. */
#ifndef POSTOFFICE_NEWS_NEWS_H
#define POSTOFFICE_NEWS_NEWS_H

#include "series.h"
#include "src/delivery/catalog.h"

struct news;

typedef void (*news_tell)(void *context, const struct backend_event *event);

/* The catalog is borrowed; times are of the wall clock. */
struct news *news_new(const struct catalog *catalog, uint64_t now_ms);
void news_free(struct news *news); /* NULL is fine. */

/* Whom events are told; NULL: nobody. */
void news_attach(struct news *news, news_tell tell, void *context);

/* A command was applied, and the catalog is about to hear of it: what is
 * deleted still has a name there. */
void news_applied(struct news *news, const struct command *command,
                  const struct command_result *result);

/* Once a second. Leader 0: none is known. */
void news_tick(struct news *news, uint64_t now_ms, uint64_t backlog,
               uint32_t leader_id, uint64_t term);

const struct series *news_series(const struct news *news);

#endif
