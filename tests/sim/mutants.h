/* mutants.h - rules that can be turned off, to see that the oracles notice.
 *
 * A rule of raft/guard is taken out at link time (guards.c), and so is one of
 * src/delivery (deliveries.c); others where the world stands between the parts.
 * Not here are rules that nothing in this world can miss: B6 (with B5 the
 * core's commit index never goes back), B8 (the packaged core ignores such
 * results itself, or they cost an election), the one term of a leave to disturb
 * (who is asked to lead lacks the barrier behind which the lease begins again),
 * and B9 to B11 and B13, which take members that come and go. tests/unit/raft
 * has a case for each. */
#ifndef POSTOFFICE_TESTS_SIM_MUTANTS_H
#define POSTOFFICE_TESTS_SIM_MUTANTS_H

#define MUTANTS(X)                                                             \
    X(NONE, "none", "all rules hold")                                          \
    X(ACKNOWLEDGE_EARLY, "acknowledge-early",                                  \
      "entries are told durable before they are")                              \
    X(FORGET_VOTES, "forget-votes", "votes are not persisted")                 \
    X(IGNORE_LEASE, "ignore-lease", "a leader sends without a lease")          \
    X(TRANSFER_KEEPS_LEASE, "transfer-keeps-lease",                            \
      "the lease holds while another is asked to lead")                        \
    X(FORGET_PROMISE, "forget-promise",                                        \
      "who follows a leader gives its vote to others")                         \
    X(ASK_BEFORE_DRAINED, "ask-before-drained",                                \
      "another is asked to lead before all is settled")                        \
    X(FORGET_DOUBT, "forget-doubt", "a new leader forgets what is in doubt")   \
    X(NO_TAKEOVER, "no-takeover", "a new leader sends before its takeover")    \
    X(GRANTS_UNSEEN, "grants-unseen", "what is proposed counts as granted")    \
    X(OLD_ANSWERS, "old-answers", "answers to an earlier reign count")         \
    X(KEEP_TOO_LITTLE, "keep-too-little",                                      \
      "the log forgets the entry before what a member lacks")                  \
    X(FILTER_IGNORED, "filter-ignored", "every message passes the filter")     \
    X(STRICT_IGNORED, "strict-ignored", "a leader knows no strict order")      \
    X(KEY_IGNORED, "key-ignored", "a leader knows no order by key")            \
    X(UNPARK_EARLY, "unpark-early",                                            \
      "what is parked is opened while its key is under way")                   \
    X(POISON_IGNORED, "poison-ignored", "what should block is given up")       \
    X(AMBIGUOUS_RESENT, "ambiguous-resent",                                    \
      "what may have arrived is sent again under at_most_once")                \
    X(RATE_IGNORED, "rate-ignored", "a rate limits nothing")                   \
    X(RETRY_AFTER_IGNORED, "retry-after-ignored",                              \
      "who asks to be left alone is not")                                      \
    X(PAUSE_IGNORED, "pause-ignored", "what is granted is sent in a pause")    \
    X(DECISION_DROPPED, "decision-dropped",                                    \
      "a leader does not hear what a person decides")                          \
    X(OUTAGE_COUNTED, "outage-counted", "an outage uses up attempts")          \
    X(FAILURE_UNCOUNTED, "failure-uncounted", "no failure uses up an attempt") \
    X(RELEASE_EARLY, "release-early", "what is scheduled comes early")         \
    X(RELEASE_LATE, "release-late", "what is scheduled comes late")            \
    X(COUNTERS_DRIFT, "counters-drift",                                        \
      "what was discarded counts as backlog")                                  \
    X(B1, "b1", "messages of an older term are stepped")                       \
    X(B2, "b2", "a leader without a barrier of its own")                       \
    X(B3, "b3", "a CHANGE anywhere in a message")                              \
    X(B3_SETTLE, "b3-settle", "a CHANGE over one not known as committed")      \
    X(B4, "b4", "a sole voter leads again in the same term")                   \
    X(B5, "b5", "entries below the commit are not left out")                   \
    X(B7, "b7", "a refused vote echoes the candidate's term")                  \
    X(B12, "b12", "stale rejections are stepped")                              \
    X(B14, "b14", "writes that were cut off count as durable")                 \
    X(B15, "b15", "a leader takes entries of its own term")

enum mutant {
#define X(name, text, words) MUTANT_##name,
    MUTANTS(X)
#undef X
        MUTANT_COUNT
};

/* MUTANT_COUNT: no such name. */
enum mutant mutant_named(const char *name);
const char *mutant_name(enum mutant mutant);
const char *mutant_words(enum mutant mutant);

/* For the rules that are taken out at link time: of the whole process. */
extern enum mutant mutant_now;

#endif
