/* router.h - from method and path to the one who answers.
 *
 * A pattern is a path in which a segment `{...}` stands for any one segment.
 * The first pattern of the table that fits the path wins, so literal paths
 * stand before patterns with parameters. GET also serves HEAD; one trailing
 * slash is the same route. No I/O. Thread: any. */
#ifndef POSTOFFICE_HTTP_ROUTER_H
#define POSTOFFICE_HTTP_ROUTER_H

#include "base/slice.h"

struct request;

/* What a caller must have the right to (identity.h tells which role has
 * which). */
enum route_right {
    RIGHT_ADMIN, /* First: a row that says nothing is not open. */
    RIGHT_OPERATE,
    RIGHT_READ,
    RIGHT_PUBLISH,
    RIGHT_NONE, /* Open to everybody. */
};

/* How it is seen whether a caller who is limited to some topics may. */
enum route_reach {
    REACH_CLUSTER,   /* It is about all topics: only who is not limited. */
    REACH_TOPIC,     /* The path names the topic. */
    REACH_PUBLISHER, /* The path names what is of one topic. */
    REACH_MESSAGE,
    REACH_REPLAY,
    REACH_HANDLER, /* The handler asks identity_reaches(): the body names the
                    * topic, or the answer is a list. */
};

struct route {
    const char *method;
    const char *pattern;
    void (*handle)(struct request *request); /* NULL: not built yet. */
    /* Query parameters that it knows, comma separated. */
    const char *parameters;
    bool json;   /* It reads a JSON body. */
    bool leader; /* Only the leader can answer it. */
    enum route_right right;
    enum route_reach reach;
};

enum router_verdict { ROUTER_FOUND, ROUTER_METHOD, ROUTER_NONE };

struct router_match {
    const struct route *route; /* When found. */
    struct slice parameter;    /* Of the path; empty when there is none. */
    bool head;                 /* HEAD, served by GET. */
    char allow[64];            /* When the method does not fit. */
};

/* `routes` ends with a NULL method. */
enum router_verdict router_find(const struct route *routes, struct slice method,
                                struct slice path,
                                struct router_match *ret_match);

#endif
