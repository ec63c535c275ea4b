/* chronicle.h - what the log says, told once: by whichever node applies an
 * entry first. What every other node must say too, and what follows from it
 * for deliveries.
 *
 * A track is one message for one publisher, as the log and the wire know it. */
#ifndef POSTOFFICE_TESTS_SIM_CHRONICLE_H
#define POSTOFFICE_TESTS_SIM_CHRONICLE_H

#include "raft/entry.h"
#include "retelling.h"

struct node;

enum {
    TOPICS_MAX = 3,
    PUBLISHERS_MAX = 8,
    POSITIONS_MAX = 1500,
    TOKENS_MAX = 1500,
};

struct track {
    /* As the log has it. */
    bool open;
    bool doubt; /* Once in doubt, for ever. */
    bool settled;
    uint64_t opened_index;
    /* On the wire. */
    bool undecided; /* Sent, and its outcome is not in the log. */
    bool doubtful;  /* It was so when it was sent again or taken over. */
    uint32_t sent;
    uint32_t taken; /* By the receiver, with success. */
};

struct chronicle_publisher {
    bool exists;
    bool paused;
    uint32_t topic_id;
    uint32_t max_in_flight;
    uint64_t start;
    uint32_t open;
};

/* A message as its client knows it. */
struct chronicle_token {
    uint64_t id; /* Of the last one stored; 0: none. */
    uint32_t topic_id;
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
    uint32_t topic_of[POSITIONS_MAX + 1];      /* By position. */
    uint64_t token_at[POSITIONS_MAX + 1];      /* By position. */
    struct track (*tracks)[POSITIONS_MAX + 1]; /* [publisher][position] */
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
/* The payload that stands for a token. */
uint64_t token_of_payload(struct slice payload);
size_t payload_of_token(uint64_t token, char *payload, size_t size);

#endif
