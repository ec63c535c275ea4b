#include "releases.h"

#include "base/memory.h"

#include <stddef.h>
#include <stdlib.h>

struct release {
    struct agenda_item item;
    uint32_t topic_id;
    bool busy;             /* A command, or the look behind it, is under way. */
    uint64_t meanwhile_ms; /* The first one scheduled since; 0: none. */
};

#define RELEASE_OF(place)                                                      \
    ((struct release *)((char *)(place)-offsetof(struct release, item)))

static struct release *make(struct releases *releases, uint32_t topic_id)
{
    struct release *release = table_get(&releases->topics, topic_id);
    if (release == NULL) {
        release = memory_new_zeroed(1, sizeof *release);
        release->topic_id = topic_id;
        table_set(&releases->topics, topic_id, release);
    }
    return release;
}

static bool is_earlier(uint64_t due_ms, uint64_t than_ms)
{
    return than_ms == 0 || due_ms < than_ms;
}

void releases_scheduled(struct releases *releases, uint32_t topic_id,
                        uint64_t due_ms)
{
    struct release *release = make(releases, topic_id);
    uint64_t waits_ms = release->item.place != 0 ? release->item.at_ms : 0;
    if (release->busy) {
        if (is_earlier(due_ms, release->meanwhile_ms))
            release->meanwhile_ms = due_ms;
    } else if (is_earlier(due_ms, waits_ms)) {
        agenda_set(&releases->agenda, &release->item, due_ms);
    }
}

uint32_t releases_take(struct releases *releases, uint64_t now_ms)
{
    struct agenda_item *item = agenda_take(&releases->agenda, now_ms);
    if (item == NULL)
        return 0;
    struct release *release = RELEASE_OF(item);
    release->busy = true;
    release->meanwhile_ms = 0;
    return release->topic_id;
}

/* What was scheduled while the store was looked at may be in its answer or
 * not: the earlier time counts. */
void releases_known(struct releases *releases, uint32_t topic_id,
                    uint64_t due_ms)
{
    struct release *release = table_get(&releases->topics, topic_id);
    if (release == NULL || !release->busy)
        return;
    release->busy = false;
    if (due_ms != 0)
        releases_scheduled(releases, topic_id, due_ms);
    if (release->meanwhile_ms != 0)
        releases_scheduled(releases, topic_id, release->meanwhile_ms);
}

void releases_forget(struct releases *releases, uint32_t topic_id)
{
    struct release *release = table_get(&releases->topics, topic_id);
    if (release == NULL)
        return;
    agenda_set(&releases->agenda, &release->item, 0);
    table_set(&releases->topics, topic_id, NULL);
    free(release);
}

uint64_t releases_first_ms(const struct releases *releases)
{
    return agenda_first_ms(&releases->agenda);
}

void releases_close(struct releases *releases)
{
    struct release *release;
    for (uint32_t id = 0;
         (release = table_next(&releases->topics, &id)) != NULL;)
        free(release);
    table_close(&releases->topics);
    agenda_close(&releases->agenda);
}
