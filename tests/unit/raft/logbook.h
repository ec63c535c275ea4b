/* logbook.h - a log on real files for tests, driven without a loop: requests
 * are made, waited for, and read back. Payloads follow from index and term, so
 * that what comes back can be checked. */
#ifndef POSTOFFICE_TESTS_RAFT_LOGBOOK_H
#define POSTOFFICE_TESTS_RAFT_LOGBOOK_H

#include "raft/log.h"

#include <semaphore.h>

enum { LOGBOOK_SEGMENT = 64 * 1024 };

struct logbook {
    int directory;
    struct vote_file *vote_file; /* NULL is fine. */
    struct log *log;
    struct log_found found;
    struct error error;
    sem_t woken;
    uint64_t last_index; /* Of the newest request. */
    uint64_t last_term;
    unsigned under_way;
    uint64_t written_index; /* Last index of the newest finished request. */
    uint64_t voted_term;    /* Of the newest vote that is durable. */
    struct log_read *read;
};

/* A new log in the directory whose first entry has index and term 1. */
void logbook_create(const char *path);
/* 0 or what log_open() said, with the words in book->error. */
int logbook_open(struct logbook *book, const char *path,
                 struct vote_file *vote_file);
void logbook_close(struct logbook *book);

/* Entries first_index .. first_index + count - 1 as one request. */
void logbook_push(struct logbook *book, uint64_t first_index, uint64_t term,
                  size_t count, size_t length);
void logbook_push_vote(struct logbook *book, const struct vote *vote);
/* Until nothing is under way. */
void logbook_wait(struct logbook *book);
/* One entry, pushed and waited for. */
void logbook_append(struct logbook *book, uint64_t index, uint64_t term,
                    size_t length);

/* Reads everything back and checks it; fails the test otherwise. */
void logbook_check(struct logbook *book);

#endif
