/* catalog.h - the topics and publishers as of the last applied command, in
 * memory for the loop, which never reads the store itself.
 *
 * Loaded from a view at the start, then kept by the commands that are
 * applied. Thread: the loop. */
#ifndef POSTOFFICE_DELIVERY_CATALOG_H
#define POSTOFFICE_DELIVERY_CATALOG_H

#include "storage/command.h"
#include "storage/query.h"

struct catalog;

struct catalog_publisher {
    struct publisher publisher; /* Texts live as long as the entry. */
    uint64_t start;             /* Its first position. */
};

struct catalog *catalog_new(void);
void catalog_free(struct catalog *catalog); /* NULL is fine. */

/* Everything there is in the view. */
int catalog_load(struct catalog *catalog, struct view *view,
                 struct error *error);

/* A command was applied with this result. */
void catalog_apply(struct catalog *catalog, const struct command *command,
                   const struct command_result *result);

/* The last entry whose commands are all in here: what a read must see. */
uint64_t catalog_applied_index(const struct catalog *catalog);
void catalog_set_applied_index(struct catalog *catalog, uint64_t index);

/* NULL when there is none. Valid until the next catalog_apply(). */
const struct topic *catalog_topic_named(const struct catalog *catalog,
                                        struct slice name);
const struct topic *catalog_topic(const struct catalog *catalog, uint32_t id);
const struct catalog_publisher *catalog_publisher(const struct catalog *catalog,
                                                  uint32_t id);

/* The next one with a higher id than *id, which is set; NULL at the end. */
const struct topic *catalog_next_topic(const struct catalog *catalog,
                                       uint32_t *id);
const struct catalog_publisher *
catalog_next_publisher(const struct catalog *catalog, uint32_t *id);

uint32_t catalog_topics(const struct catalog *catalog);
uint32_t catalog_publishers(const struct catalog *catalog);

/* After INIT was applied; id_space 0 before. */
const struct cluster_identity *catalog_identity(const struct catalog *catalog);

#endif
