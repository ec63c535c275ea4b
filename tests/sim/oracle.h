/* oracle.h - what must hold at every moment, and at the end. The first thing
 * that does not is noted in words, and the run ends.
 *
 *   one leader a term, and only voters that were counted once
 *   nobody says what is not yet durable
 *   a commit is durable on a majority, and all logs agree on it
 *   nothing is sent without a grant, beyond the window, by a leader that could
 *     have been replaced, before its own takeover; nothing twice unmarked
 *   no request begins in a pause, for a deleted publisher, against Retry-After
 *     or beyond the rate; under at_most_once nothing reaches its receiver twice
 *     unless somebody has decided so; what is scheduled waits for its time
 *   by the log: filters, orders, budgets of attempts (chronicle_delivery.c)
 *   nothing acknowledged is lost, all is delivered, all agree at the end */
#ifndef POSTOFFICE_TESTS_SIM_ORACLE_H
#define POSTOFFICE_TESTS_SIM_ORACLE_H

#include "raft/entry.h"

#include <raft.h>
#include <stdbool.h>

struct node;
struct world;
struct delivery_send;
struct terms;

enum { TERMS_MAX = 4096, SIM_NODES = 5, SIM_PUBLISHERS = 8, WIRE_KEPT = 64 };

/* The requests of one publisher under one reign, by the node's own clock. */
struct wire {
    uint64_t life; /* Of the node, and its reign. */
    uint32_t reign;
    const struct terms *terms;
    uint64_t held_until_ms;
    uint64_t count;
    uint64_t begun_ms[WIRE_KEPT]; /* The last ones, in a ring. */
};

struct oracle {
    struct wire wires[SIM_PUBLISHERS + 1];
    uint64_t leader_of[TERMS_MAX]; /* Life and node; 0: none. */
    uint8_t votes[TERMS_MAX][SIM_NODES];
    uint64_t elected_term; /* The highest in which somebody was elected. */
    uint64_t acknowledged_index; /* By whoever said something last. */
    uint64_t log_id;
    unsigned founded;
    uint64_t ended_ms[SIM_NODES]; /* When its last life ended. */
};

void oracle_violate(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- Raft ---- */

void oracle_founded(struct node *node, uint64_t log_id);
void oracle_said(struct node *node, const struct raft_message *message);
void oracle_appends(struct node *node, const struct entry *entries,
                    size_t count);
/* Its replica says that it leads: own barrier committed. */
void oracle_leads(struct node *node, uint64_t term);
void oracle_handed(struct node *node, const struct entry *entry);
void oracle_look(struct node *node);  /* After each of its turns. */
void oracle_asked(struct node *node); /* Another, to lead. */
void oracle_crashed(struct node *node);

/* ---- Deliveries ---- */

/* The leadership wants a request to be sent, which goes out a moment later. */
void oracle_begins(struct node *node, const struct delivery_send *send);
/* Its receiver asks to be left alone until then. */
void oracle_held(struct node *node, const struct delivery_send *send,
                 uint64_t until_ms);
/* A request goes out in this moment. */
void oracle_sends(struct node *node, const struct delivery_send *send);
/* Its receiver takes it, or will in a while. */
void oracle_reaches(struct world *world, uint32_t publisher_id,
                    uint64_t position);
/* Its receiver takes it; the number of the time. */
void oracle_taken(struct world *world, uint32_t publisher_id, uint64_t position,
                  bool marked);
/* A scheduled message has taken this position. */
void oracle_released(struct world *world, uint64_t position);
/* In quiet times, now and then: is anything overdue? */
void oracle_look_at_schedules(struct world *world);
/* A client has its answer: id of the first of `count` from this token on. */
void oracle_acknowledged(struct world *world, uint64_t token, uint32_t count,
                         uint64_t id);

/* ---- The end ---- */

/* Whether everything has been delivered and every node has everything. */
bool oracle_is_settled(struct world *world, char *words, size_t size);
void oracle_end(struct world *world);
/* It takes too long. In a trace all that is left is told. */
void oracle_gave_up(struct world *world, const char *words);

/* Compares a node's store with the naive model, if it is as far. */
void oracle_compare(struct node *node);

#endif
