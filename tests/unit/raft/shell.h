/* shell.h - a cluster on a real loop for tests: it is opened, run until
 * something holds, closed; and what was handed over is noted. */
#ifndef POSTOFFICE_TESTS_RAFT_SHELL_H
#define POSTOFFICE_TESTS_RAFT_SHELL_H

#include "raft/cluster.h"

struct shell {
    uv_loop_t loop;
    struct cluster *cluster;
    struct cluster_options options;
    struct error error;
    /* What was seen. */
    uint64_t first_index; /* Of the entries handed over in this run. */
    uint64_t last_index;
    uint64_t entries;
    uint64_t bytes;
    uint64_t leading_term;
    unsigned deposed;
    unsigned writable;
    unsigned failed;
    bool refuse; /* committed() says: not now. */
    bool closed;
    /* Called for each entry when set. */
    void (*on_entry)(struct shell *shell, const struct cluster_entry *entry);
    void *context;
};

/* A new directory under `where`; the caller removes it. */
void shell_make_directory(char path[256]); /* On a disk. */
void shell_remove_directory(const char *path);

/* Small segments and defaults; the directory is borrowed. */
void shell_init(struct shell *shell, const char *directory);
int shell_open(struct shell *shell);
/* Runs the loop until the condition holds; fails the test after 20 s. */
void shell_run_until(struct shell *shell, bool (*holds)(struct shell *shell));
bool shell_can_submit(struct shell *shell);
void shell_lead(struct shell *shell);
/* Waits until it may submit, submits these bytes, waits for the commit.
 * Returns the index, or 0 when it was refused for good. */
uint64_t shell_submit(struct shell *shell, const void *bytes, size_t length);
void shell_close(struct shell *shell);

#endif
