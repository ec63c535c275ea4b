#include "news.h"

#include "base/memory.h"

#include <stdlib.h>

/* What was given up for one publisher since the last tick. */
struct given_up {
    uint32_t publisher_id;
    uint64_t dead;
    uint64_t ambiguous;
};

/* When more publishers than this give up within a second, some are told of
 * before it is over. */
enum { GIVEN_UP_MAX = 64 };

struct news {
    const struct catalog *catalog;
    news_tell tell;
    void *context;
    struct series series;
    struct given_up given_up[GIVEN_UP_MAX];
    uint32_t given_up_count;
    uint32_t leader_id;
    uint64_t term;
    struct arena arena; /* Of one command. */
};

struct news *news_new(const struct catalog *catalog, uint64_t now_ms)
{
    struct news *news = memory_new_zeroed(1, sizeof *news);
    news->catalog = catalog;
    series_init(&news->series, now_ms);
    return news;
}

void news_free(struct news *news)
{
    if (news == NULL)
        return;
    series_close(&news->series);
    arena_close(&news->arena);
    free(news);
}

void news_attach(struct news *news, news_tell tell, void *context)
{
    news->tell = tell;
    news->context = context;
}

const struct series *news_series(const struct news *news)
{
    return &news->series;
}

static void tell(struct news *news, const struct backend_event *event)
{
    if (news->tell != NULL)
        news->tell(news->context, event);
}

/* ---- Topics and publishers ---- */

static void tell_topic(struct news *news, uint32_t id, const char *action)
{
    const struct topic *topic = catalog_topic(news->catalog, id);
    if (topic != NULL)
        tell(news, &(struct backend_event){.type = EVENT_TOPIC,
                                           .id = id,
                                           .topic = topic->options.name,
                                           .action = action});
}

static struct slice topic_of(const struct news *news, uint32_t publisher_id)
{
    const struct catalog_publisher *found =
        catalog_publisher(news->catalog, publisher_id);
    const struct topic *topic =
        found == NULL ? NULL
                      : catalog_topic(news->catalog, found->publisher.topic_id);
    return topic == NULL ? slice_of(NULL, 0) : topic->options.name;
}

static void tell_publisher(struct news *news, enum event_type type, uint32_t id,
                           const char *action)
{
    struct slice topic = topic_of(news, id);
    if (topic.length > 0)
        tell(news,
             &(struct backend_event){
                 .type = type, .id = id, .topic = topic, .action = action});
}

static void topic_created(struct news *news, const struct command *command,
                          const struct command_result *result)
{
    struct topic_options options = {0};
    if (topic_options_decode(command->body, &options) == 0)
        tell(news, &(struct backend_event){.type = EVENT_TOPIC,
                                           .id = (uint32_t)result->id,
                                           .topic = options.name,
                                           .action = "created"});
}

static void topic_changed(struct news *news, const struct command *command)
{
    struct command_topic_update update;
    if (command_topic_update_decode(command->body, &update) == 0)
        tell_topic(news, update.topic_id, "changed");
}

static void topic_deleted(struct news *news, const struct command *command)
{
    struct command_topic_delete deletion;
    if (command_topic_delete_decode(command->body, &deletion) == 0)
        tell_topic(news, deletion.topic_id, "deleted");
}

static void publisher_created(struct news *news, const struct command *command,
                              const struct command_result *result)
{
    struct command_publisher_create create;
    if (command_publisher_create_decode(command->body, &create) != 0)
        return;
    const struct topic *topic = catalog_topic(news->catalog, create.topic_id);
    if (topic != NULL)
        tell(news, &(struct backend_event){.type = EVENT_PUBLISHER,
                                           .id = (uint32_t)result->id,
                                           .topic = topic->options.name,
                                           .action = "created"});
}

static void publisher_changed(struct news *news, const struct command *command)
{
    struct command_publisher_update update;
    if (command_publisher_update_decode(command->body, &update) == 0)
        tell_publisher(news, EVENT_PUBLISHER, update.publisher_id, "changed");
}

static void publisher_deleted(struct news *news, const struct command *command)
{
    uint32_t id;
    if (command_publisher_delete_decode(command->body, &id) == 0)
        tell_publisher(news, EVENT_PUBLISHER, id, "deleted");
}

static void publisher_paused(struct news *news, const struct command *command)
{
    struct command_pause pause;
    if (command_pause_decode(command->body, &pause) == 0)
        tell_publisher(news, EVENT_PUBLISHER, pause.publisher_id,
                       pause.paused ? "paused" : "resumed");
}

static void circuit_moved(struct news *news, const struct command *command)
{
    static const char *const actions[] = {
        [CIRCUIT_CLOSED] = "closed",
        [CIRCUIT_OPEN] = "open",
        [CIRCUIT_RAMPING] = "ramping",
    };
    struct command_circuit moved;
    if (command_circuit_decode(command->body, &moved) != 0)
        return;
    bool held = moved.circuit.state == CIRCUIT_CLOSED &&
                moved.throttled_until_ms > command->time_ms;
    tell_publisher(news, EVENT_CIRCUIT, moved.publisher_id,
                   held ? "throttled" : actions[moved.circuit.state]);
}

/* ---- Messages ---- */

static void tell_given_up(struct news *news)
{
    for (uint32_t i = 0; i < news->given_up_count; i++) {
        const struct given_up *given_up = &news->given_up[i];
        struct slice topic = topic_of(news, given_up->publisher_id);
        if (topic.length > 0)
            tell(news,
                 &(struct backend_event){.type = EVENT_DEAD,
                                         .id = given_up->publisher_id,
                                         .topic = topic,
                                         .dead = given_up->dead,
                                         .ambiguous = given_up->ambiguous});
    }
    news->given_up_count = 0;
}

static struct given_up *given_up_of(struct news *news, uint32_t publisher_id)
{
    for (uint32_t i = 0; i < news->given_up_count; i++)
        if (news->given_up[i].publisher_id == publisher_id)
            return &news->given_up[i];
    if (news->given_up_count == GIVEN_UP_MAX)
        tell_given_up(news);
    struct given_up *given_up = &news->given_up[news->given_up_count++];
    *given_up = (struct given_up){.publisher_id = publisher_id};
    return given_up;
}

static void messages_settled(struct news *news, const struct command *command)
{
    struct command_outcomes outcomes;
    struct backend_point counts = {0};
    uint64_t dead = 0, ambiguous = 0;
    if (command_outcomes_decode(command->body, &news->arena, &outcomes) == 0)
        for (uint32_t i = 0; i < outcomes.count; i++) {
            enum delivery_state state = outcomes.outcomes[i].state;
            counts.delivered += state == DELIVERY_DELIVERED;
            counts.failed += state != DELIVERY_DELIVERED;
            dead += state == DELIVERY_DEAD;
            ambiguous += state == DELIVERY_AMBIGUOUS;
        }
    counts.dead = dead + ambiguous;
    series_add(&news->series, &counts);
    if (counts.dead > 0) {
        struct given_up *given_up = given_up_of(news, outcomes.publisher_id);
        given_up->dead += dead;
        given_up->ambiguous += ambiguous;
    }
    arena_close(&news->arena);
}

void news_applied(struct news *news, const struct command *command,
                  const struct command_result *result)
{
    if (result->code != 0)
        return;
    switch (command->type) {
    case COMMAND_TOPIC_CREATE:
        topic_created(news, command, result);
        break;
    case COMMAND_TOPIC_UPDATE:
        topic_changed(news, command);
        break;
    case COMMAND_TOPIC_DELETE:
        topic_deleted(news, command);
        break;
    case COMMAND_PUBLISHER_CREATE:
        publisher_created(news, command, result);
        break;
    case COMMAND_PUBLISHER_UPDATE:
        publisher_changed(news, command);
        break;
    case COMMAND_PUBLISHER_DELETE:
        publisher_deleted(news, command);
        break;
    case COMMAND_PUBLISHER_PAUSE:
        publisher_paused(news, command);
        break;
    case COMMAND_CIRCUIT:
        circuit_moved(news, command);
        break;
    case COMMAND_MESSAGES:
        series_add(&news->series,
                   &(struct backend_point){.published = result->count});
        break;
    case COMMAND_OUTCOMES:
        messages_settled(news, command);
        break;
    default:
        break;
    }
}

/* ---- Time ---- */

void news_tick(struct news *news, uint64_t now_ms, uint64_t backlog,
               uint32_t leader_id, uint64_t term)
{
    struct backend_event stats = {
        .type = EVENT_STATS,
        .point = *series_tick(&news->series, now_ms, backlog)};
    if (leader_id != news->leader_id || term != news->term) {
        news->leader_id = leader_id;
        news->term = term;
        tell(news, &(struct backend_event){
                       .type = EVENT_LEADER, .id = leader_id, .term = term});
    }
    tell_given_up(news);
    tell(news, &stats);
}
