#include "recent.h"

#include "base/memory.h"

#include <assert.h>
#include <stdlib.h>

static struct letter *at(const struct recent_topic *topic, uint32_t i)
{
    return topic->ring[(topic->first + i) & (topic->capacity - 1)];
}

static void topic_grow(struct recent_topic *topic)
{
    uint32_t capacity = topic->capacity == 0 ? 64 : topic->capacity * 2;
    struct letter **ring = memory_new(capacity * sizeof(*ring));
    for (uint32_t i = 0; i < topic->count; i++)
        ring[i] = at(topic, i);
    free(topic->ring);
    topic->ring = ring;
    topic->first = 0;
    topic->capacity = capacity;
}

static void order_grow(struct recent *recent)
{
    uint32_t capacity =
        recent->order_capacity == 0 ? 64 : recent->order_capacity * 2;
    struct recent_topic **order = memory_new(capacity * sizeof(*order));
    for (uint64_t i = recent->order_first; i < recent->order_last; i++)
        order[i & (capacity - 1)] =
            recent->order[i & (recent->order_capacity - 1)];
    free(recent->order);
    recent->order = order;
    recent->order_capacity = capacity;
}

void recent_init(struct recent *recent, size_t bytes_max)
{
    *recent = (struct recent){.bytes_max = bytes_max};
}

void recent_close(struct recent *recent)
{
    assert(recent->bytes == 0);
    free(recent->order);
    *recent = (struct recent){0};
}

/* An order slot of a forgotten letter is NULL. */
static void evict_oldest(struct recent *recent)
{
    assert(recent->order_first < recent->order_last);
    uint64_t place = recent->order_first++ & (recent->order_capacity - 1);
    struct recent_topic *topic = recent->order[place];
    if (topic == NULL)
        return;
    struct letter *letter = at(topic, 0);
    topic->first = (topic->first + 1) & (topic->capacity - 1);
    topic->count--;
    recent->bytes -= letter->size;
    letter_unref(letter);
}

void recent_add(struct recent *recent, struct recent_topic *topic,
                struct letter *letter)
{
    if (topic->count == topic->capacity)
        topic_grow(topic);
    assert(topic->count == 0 ||
           at(topic, topic->count - 1)->position < letter->position);
    topic->ring[(topic->first + topic->count) & (topic->capacity - 1)] = letter;
    topic->count++;
    if (recent->order_last - recent->order_first == recent->order_capacity)
        order_grow(recent);
    recent->order[recent->order_last++ & (recent->order_capacity - 1)] = topic;
    recent->bytes += letter->size;
    while (recent->bytes > recent->bytes_max)
        evict_oldest(recent);
}

void recent_forget(struct recent *recent, struct recent_topic *topic)
{
    for (uint64_t i = recent->order_first;
         topic->count > 0 && i < recent->order_last; i++) {
        struct recent_topic **slot =
            &recent->order[i & (recent->order_capacity - 1)];
        if (*slot == topic)
            *slot = NULL;
    }
    for (uint32_t i = 0; i < topic->count; i++) {
        recent->bytes -= at(topic, i)->size;
        letter_unref(at(topic, i));
    }
    free(topic->ring);
    *topic = (struct recent_topic){0};
}

bool recent_covers(const struct recent_topic *topic, uint64_t from)
{
    return topic->count > 0 && at(topic, 0)->position <= from;
}

uint32_t recent_find(const struct recent_topic *topic, uint64_t from,
                     struct letter **ret_letters, uint32_t count_max)
{
    uint32_t low = 0;
    uint32_t high = topic->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (at(topic, middle)->position < from)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t count = 0;
    for (; low + count < topic->count && count < count_max; count++)
        ret_letters[count] = at(topic, low + count);
    return count;
}
