/* chronicle.h - what the log says, told once: by whichever node applies an
 * entry first. What every other node must say too, and what follows from it
 * for deliveries.
 *
 * A track is one message for one publisher, as the log and the wire know it. */
#ifndef POSTOFFICE_TESTS_SIM_CHRONICLE_H
#define POSTOFFICE_TESTS_SIM_CHRONICLE_H

#include "raft/entry.h"
#include "retelling.h"
#include "wishes.h"

struct node;
struct world;

enum {
    TOPICS_MAX = 3,
    PUBLISHERS_MAX = 8,
    POSITIONS_MAX = 1500,
    TOKENS_MAX = 1500,
    VERSIONS_MAX = 16,
};

struct track {
    /* As the log has it; beside what the naive model knows. */
    bool open;
    bool taken_over; /* Once open at a takeover. */
    bool parked;
    enum ordering order; /* Under which it was opened; NONE: outside of one. */
    uint64_t opened_index;
    /* On the wire. */
    bool undecided;   /* Sent, and its outcome is not in the log. */
    bool doubtful;    /* It was so when it was sent again or taken over. */
    uint32_t reached; /* Since it was last decided on: requests that the
                       * receiver takes, now or in a while. */
    uint32_t sent;
    uint32_t taken; /* By the receiver, with success. */
};

/* The options of a publisher from an entry on. */
struct terms {
    uint64_t index;
    unsigned kinds; /* That its filter lets pass. */
    enum ordering ordering;
    enum poison on_poison;
    enum guarantee guarantee;
    uint32_t max_in_flight;
    uint32_t max_attempts;
    uint32_t rate;
    uint64_t expire_ms; /* 0: never. */
};

struct chronicle_publisher {
    bool exists;
    bool paused;
    uint64_t stopped_index; /* Paused or deleted by this entry. */
    uint32_t topic_id;
    uint64_t start;
    uint32_t open;
    struct terms versions[VERSIONS_MAX]; /* Oldest first. */
    uint32_t version_count;
    /* Counted attempts in a row that got no answer; below 0: as many may come
     * of what was under way when its target changed. */
    int32_t unanswered;
    bool answered;          /* One among the failures in a row did get one. */
    uint64_t held_until_ms; /* By Retry-After, as the log has it, ... */
    uint64_t held_term;     /* ... and the leader of this term told it. */
};

/* What a leader knew when it proposed to walk on from a position. */
struct draft {
    uint64_t term;
    uint64_t seen; /* The last entry that it had applied. */
};

/* A message as its client knows it. */
struct chronicle_token {
    uint64_t id; /* Of the last one stored; 0: none. */
    uint32_t topic_id;
    struct likeness likeness;
    uint32_t stored; /* How many times. */
    bool keyed;
    bool acknowledged;
};

struct chronicle_entry {
    uint64_t term;
    uint64_t checksum;
    uint64_t results;       /* Their hash; 0: not applied yet. */
    struct state_hash hash; /* Of the store behind it. */
};

struct chronicle {
    struct retelling *retelling;
    uint64_t index;                  /* The last one told. */
    struct chronicle_entry *entries; /* [index] */
    uint64_t capacity;
    uint64_t committed; /* The last one known as such. */
    struct chronicle_publisher publishers[PUBLISHERS_MAX + 1];
    uint32_t publisher_count;
    uint32_t topic_count;
    uint64_t position;                         /* The last one given. */
    uint64_t token_of[POSITIONS_MAX + 1];      /* By id. */
    uint32_t topic_of[POSITIONS_MAX + 1];      /* By position; 0: none. */
    uint64_t token_at[POSITIONS_MAX + 1];      /* By position. */
    uint64_t received_ms[POSITIONS_MAX + 1];   /* By id. */
    struct track (*tracks)[POSITIONS_MAX + 1]; /* [publisher][position] */
    struct draft (*drafts)[POSITIONS_MAX + 1]; /* The same, by its `from`. */
    struct chronicle_token tokens[TOKENS_MAX];
    uint64_t takeover_term; /* Of the last TAKEOVER. */
    uint64_t takeover_index;
    /* A leader asked another to lead and had drained before: the next takeover
     * must find nothing open. */
    uint64_t drained_term;
};

struct chronicle *chronicle_new(void);
void chronicle_free(struct chronicle *chronicle);

struct chronicle_entry *chronicle_entry(struct chronicle *chronicle,
                                        uint64_t index);
/* A node has applied it. */
void chronicle_applied(struct chronicle *chronicle, struct node *node,
                       const struct entry *entry,
                       const struct command_result *results, uint32_t count);
/* A leader proposes a command about deliveries. */
void chronicle_proposed(struct chronicle *chronicle, const struct node *node,
                        const struct command *command);
/* The terms that held once this entry was applied; those of the first entry
 * for what is older. */
const struct terms *chronicle_terms(const struct chronicle_publisher *publisher,
                                    uint64_t index);
/* There is a message of the publisher's at this position. */
bool chronicle_has(const struct chronicle *chronicle, uint32_t publisher_id,
                   uint64_t position);
struct told chronicle_told(const struct chronicle *chronicle,
                           uint32_t publisher_id, uint64_t position);
/* The message as its client made it. */
const struct likeness *chronicle_likeness(const struct chronicle *chronicle,
                                          uint64_t position);

#endif
