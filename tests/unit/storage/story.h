/* story.h - one topic, one publisher, and what becomes of its messages: for
 * tests that read as short stories. Topic and publisher have id 1. */
#ifndef POSTOFFICE_TESTS_STORAGE_STORY_H
#define POSTOFFICE_TESTS_STORAGE_STORY_H

#include "fixture.h"

struct story {
    struct fixture fixture;
    struct encoder entry;
    struct view *view;
    struct publisher_options options; /* As last told. */
};

void story_begin(struct story *story, enum ordering ordering,
                 enum poison on_poison);
void story_end(struct story *story);
/* Applies the one command that was encoded. */
struct command_result story_tell(struct story *story);
/* A view of what was applied; valid until the next look. */
struct view *story_look(struct story *story);
struct arena *story_arena(struct story *story);

/* One message each, at 1000, with key "k0" and so on; below 0: none. Ids and
 * positions count from 1. */
void story_publish(struct story *story, const int *keys, uint32_t count);
/* One that is scheduled; its id. */
uint64_t story_schedule(struct story *story, uint64_t time_ms,
                        uint64_t schedule_ms, int key);
/* Grants [from, upto], of which these are opened and these are parked, by
 * their keys. Returns the code. */
int story_grant(struct story *story, uint64_t from, uint64_t upto,
                const uint64_t *open, uint32_t open_count,
                const uint64_t *parked, uint32_t parked_count);
/* Walks the parked positions [from, upto], `examined` of them, of the key of
 * message `from`; opens one, or none (0). Returns the code. */
int story_unpark(struct story *story, int key, uint64_t from, uint64_t upto,
                 uint32_t examined, uint64_t open);
void story_outcome(struct story *story, uint64_t time_ms, uint64_t position,
                   enum delivery_state state);
/* Returns how many. */
uint32_t story_intent(struct story *story, uint64_t time_ms, uint64_t position);
/* Changes the publisher to story->options. */
int story_update(struct story *story, uint64_t time_ms, bool rotate);
struct command_result story_decide(struct story *story, enum command_type type,
                                   uint64_t time_ms, uint64_t message_id);

struct delivery story_delivery(struct story *story, uint64_t message_id);
struct publisher_view story_publisher(struct story *story);
struct explain story_explain(struct story *story, uint64_t message_id,
                             uint64_t now_ms);
/* The records that there are in all. */
uint64_t story_records(struct story *story);

#endif
