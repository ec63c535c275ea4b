/* clients.h - who publishes, and an operator.
 *
 * A client sends one request at a time to any node, and waits so long. When it
 * cannot know what came of it, it tries again on another node: with the same
 * key always, without one sometimes, which may store it twice. What the
 * operator asks for is drawn in operator.c. */
#ifndef POSTOFFICE_TESTS_SIM_CLIENTS_H
#define POSTOFFICE_TESTS_SIM_CLIENTS_H

#include "wishes.h"

#include <stddef.h>

struct node;
struct world;

enum { CLIENTS_MAX = 4, BATCH_COUNT_MAX = 4, WISHES_MAX = 9 };

enum deed {
    DEED_NONE, /* Idle. */
    DEED_PUBLISH,
    DEED_TOPIC,
    DEED_PUBLISHER,
    /* Of something that is there, or was. */
    DEED_UPDATE,
    DEED_PAUSE,
    DEED_RESUME,
    DEED_DELETE,
    DEED_RETRY,
    DEED_DISCARD,
    DEED_RETRY_ALL, /* In one state at one publisher. */
    DEED_DISCARD_ALL,
    DEED_REPLAY,
    DEED_CANCEL,
};

struct client {
    struct world *world;
    uint32_t number;
    enum deed deed;
    uint32_t tries; /* Of this deed; counts on. */
    bool waiting;   /* For an answer to the last try. */
    bool uncertain; /* An earlier try may have been carried out. */
    /* What is to be done. */
    uint32_t topic; /* Its number, from 1. */
    uint64_t token; /* Of the first message. */
    uint32_t count;
    bool keyed;
    uint32_t publisher; /* Its id, or which one to make. */
    uint64_t message;   /* To be decided on. */
    enum delivery_state state;
    uint32_t replay;
    uint32_t finals; /* Done in quiet times. */
};

struct clients {
    struct client clients[CLIENTS_MAX + 1]; /* The last is the operator. */
    uint32_t count;
    bool still; /* Nobody begins anything. */
    uint64_t next_token;
    uint32_t topics_made;
    uint32_t publishers_made;
    uint32_t updates;
    struct wish wishes[WISHES_MAX]; /* Of publishers, by their id. */
};

void clients_start(struct world *world);
/* Nobody waits, and each has published since the faults ended. */
bool clients_are_done(const struct world *world, char *words, size_t size);

#endif
