#include "wishes.h"

#include <stdio.h>

/* ---- Messages ---- */

static const char *const kind_names[KINDS] = {"a", "b", "c"};

enum { SCHEDULE_MS_MOST = 2500 };

struct likeness likeness_draw(struct dice *dice, uint64_t wall_ms)
{
    return (struct likeness){
        .kind = (uint8_t)dice_below(dice, KINDS),
        .key = (uint8_t)dice_below(dice, MESSAGE_KEYS + 1),
        .schedule_ms = dice_chance(dice, 150)
                           ? wall_ms + dice_below(dice, SCHEDULE_MS_MOST)
                           : 0};
}

void likeness_encode(struct encoder *out, const struct likeness *likeness,
                     uint32_t topic_id, uint64_t token)
{
    char payload[48];
    char key[8];
    const char *kind = kind_names[likeness->kind];
    struct encoder attributes = {0};
    struct message message = {.topic_id = topic_id,
                              .schedule_ms = likeness->schedule_ms};
    int length =
        snprintf(payload, sizeof payload, "{\"v\":%lu,\"kind\":\"%s\"}",
                 (unsigned long)token, kind);
    message.payload = slice_of((const uint8_t *)payload, (size_t)length);
    if (likeness->key > 0) {
        length = snprintf(key, sizeof key, "k%u", likeness->key);
        message.key = slice_of((const uint8_t *)key, (size_t)length);
    }
    attribute_encode(&attributes, slice_text("kind"), slice_text(kind));
    message.attributes = encoder_slice(&attributes);
    message_encode(out, &message);
    encoder_close(&attributes);
}

/* Its only digits. */
uint64_t token_of_payload(struct slice payload)
{
    uint64_t token = 0;
    for (size_t i = 0; i < payload.length; i++)
        if (payload.data[i] >= '0' && payload.data[i] <= '9')
            token = token * 10 + (payload.data[i] - '0');
    return token;
}

/* ---- Publishers ---- */

static const struct {
    const char *text;
    unsigned kinds; /* A bit for each. */
} filters[FILTERS] = {
    {"", 7},
    {"{\"attributes\":{\"kind\":\"a\"}}", 1},
    {"{\"payload\":{\"/kind\":[\"a\",\"b\"]}}", 3},
    {"{\"attributes\":{\"kind\":[\"b\",\"c\"]},\"payload\":{\"/kind\":\"c\"}}",
     4},
    {"{\"payload\":{\"/kind\":\"b\"}}", 2},
    {"{\"attributes\":{\"kind\":[\"a\",\"c\"]}}", 5},
};

unsigned filter_kinds(struct slice filter)
{
    for (unsigned i = 0; i < FILTERS; i++)
        if (slice_is(filter, filters[i].text))
            return filters[i].kinds;
    return 0;
}

/* What may change at any time. */
static void draw_changing(struct dice *dice, struct wish *wish)
{
    static const uint8_t rates[] = {0, 0, 0, 20, 60, 100};
    wish->filter =
        (uint8_t)(dice_chance(dice, 600) ? 0 : dice_below(dice, FILTERS));
    wish->max_attempts =
        (uint8_t)(dice_chance(dice, 500) ? 200 : dice_between(dice, 1, 4));
    wish->rate = rates[dice_below(dice, sizeof rates)];
    wish->expire_seconds =
        (uint8_t)(dice_chance(dice, 200) ? dice_between(dice, 2, 9) : 0);
    wish->ordering = (enum ordering)dice_below(dice, 3);
    wish->on_poison = (enum poison)dice_below(dice, 2);
}

struct wish wish_draw(struct dice *dice)
{
    struct wish wish = {.max_in_flight = (uint8_t)dice_between(dice, 1, 6),
                        .guarantee = dice_chance(dice, 350) ? AT_MOST_ONCE
                                                            : AT_LEAST_ONCE};
    draw_changing(dice, &wish);
    return wish;
}

struct wish wish_change(struct dice *dice, const struct wish *old)
{
    struct wish wish = *old;
    draw_changing(dice, &wish);
    wish.home = (uint8_t)(old->home + dice_below(dice, 2));
    return wish;
}

struct publisher_options wish_options(const struct wish *wish,
                                      uint32_t publisher, char target[24])
{
    snprintf(target, 24, "http://%u-%u", publisher, wish->home);
    return (struct publisher_options){
        .target = slice_text(target),
        .type = PUBLISHER_HTTP,
        .timeout_seconds = 1,
        .retry_seconds = 1,
        .retry_seconds_max = 2,
        .chunk_size = 100,
        .max_in_flight = wish->max_in_flight,
        .max_attempts = wish->max_attempts,
        .guarantee = wish->guarantee,
        .ordering = wish->ordering,
        .on_poison = wish->on_poison,
        .rate_limit_per_second = wish->rate,
        .expire_after_seconds = wish->expire_seconds,
        .filter = slice_text(filters[wish->filter].text),
    };
}
