#include "trio.h"

#include "shell.h"

#include "base/clock.h"
#include "raft/entry.h"
#include "tests/temporary.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000 };

/* --- What a member says ------------------------------------------------- */

static bool on_committed(void *context, const struct cluster_entry *entry)
{
    struct trio_member *member = context;
    uint64_t hash = entry_checksum(entry->bytes);
    assert_true(entry->index < TRIO_ENTRIES);
    assert_true(entry->index > member->last_index);
    if (member->hashes[entry->index] != 0)
        assert_true(member->hashes[entry->index] == hash);
    member->hashes[entry->index] = hash;
    member->last_index = entry->index;
    member->entries++;
    return true;
}

static void on_leading(void *context, uint64_t term)
{
    struct trio_member *member = context;
    member->leading_term = term;
    member->leadings++;
}

static void on_deposed(void *context)
{
    struct trio_member *member = context;
    member->leading_term = 0;
    member->deposed++;
}

static void on_writable(void *context)
{
    (void)context;
}

static void on_requested(void *context, const struct cluster_asked *asked)
{
    struct trio_member *member = context;
    static const char prefix[4] = "re: ";
    member->requests++;
    member->asker = asked->asker;
    if (member->keeps_requests)
        return;
    struct buffer *answer = buffer_new(asked->body.length + sizeof prefix);
    assert_non_null(answer);
    answer->length = answer->capacity;
    memcpy(answer->data, prefix, sizeof prefix);
    memcpy(answer->data + sizeof prefix, asked->body.data, asked->body.length);
    assert_int_equal(cluster_answer(member->cluster, &asked->asker, answer), 0);
    buffer_unref(answer);
}

static void on_failed(void *context, const struct error *error)
{
    struct trio_member *member = context;
    member->failed++;
    member->error = *error;
}

/* --- Beginning and end -------------------------------------------------- */

/* Taken from the kernel and given back: free for the moment of a test. */
static void choose_address(struct trio_member *member)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(file >= 0);
    assert_int_equal(bind(file, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(file, (struct sockaddr *)&address, &length),
                     0);
    close(file);
    snprintf(member->address, sizeof member->address, "127.0.0.1:%u",
             ntohs(address.sin_port));
}

void trio_init(struct trio *trio)
{
    memset(trio, 0, sizeof *trio);
    assert_int_equal(uv_loop_init(&trio->loop), 0);
    for (unsigned i = 0; i < TRIO; i++) {
        struct trio_member *member = &trio->members[i];
        member->trio = trio;
        member->number = i;
        /* In memory: a leader whose disk stalls gives way, and other programs'
         * writes must not make one of these do so. */
        assert_true(
            temporary_directory(member->directory, sizeof member->directory));
        choose_address(member);
        trio->addresses[i] = (struct cluster_address){
            .node_id = i + 1, .address = member->address};
    }
    trio->options = (struct cluster_options){
        .secret = slice_text("a secret of three"),
        .members = trio->addresses,
        .members_count = TRIO,
        .election_timeout_ms = 500,
        .heartbeat_ms = 50,
        .segment_bytes = 1024 * 1024,
    };
}

void trio_open(struct trio *trio, unsigned number)
{
    struct trio_member *member = &trio->members[number];
    const struct cluster_callbacks callbacks = {
        .context = member,
        .committed = on_committed,
        .leading = on_leading,
        .deposed = on_deposed,
        .writable = on_writable,
        .requested = on_requested,
        .failed = on_failed,
    };
    struct cluster_options options = trio->options;
    options.directory = member->directory;
    options.node_id = number + 1;
    options.address = options.listen = member->address;
    member->last_index = 0;
    member->entries = 0;
    if (cluster_open(&trio->loop, &options, &callbacks, &member->cluster,
                     &member->error) != 0)
        fail_msg("member %u: %s", number, member->error.text);
}

void trio_open_all(struct trio *trio)
{
    for (unsigned i = 0; i < TRIO; i++)
        trio_open(trio, i);
}

static void on_closed(void *context)
{
    struct trio_member *member = context;
    member->closed = true;
}

void trio_stop(struct trio *trio, unsigned number)
{
    struct trio_member *member = &trio->members[number];
    member->closed = false;
    cluster_close(member->cluster, on_closed, member);
    while (!member->closed)
        uv_run(&trio->loop, UV_RUN_ONCE);
    member->cluster = NULL;
    member->leading_term = 0;
}

void trio_wipe(struct trio *trio, unsigned number)
{
    struct trio_member *member = &trio->members[number];
    shell_remove_directory(member->directory);
}

void trio_close(struct trio *trio)
{
    for (unsigned i = 0; i < TRIO; i++)
        if (trio->members[i].cluster != NULL)
            trio_stop(trio, i);
    uv_run(&trio->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&trio->loop), 0);
    for (unsigned i = 0; i < TRIO; i++)
        shell_remove_directory(trio->members[i].directory);
}

/* --- Running ------------------------------------------------------------ */

static void on_patience_end(uv_timer_t *timer)
{
    struct trio *trio = timer->data;
    fail_msg("not within %d s: %s", PATIENCE_MS / 1000, trio->waits_for);
}

static void set_flag(uv_timer_t *timer)
{
    bool *flag = timer->data;
    *flag = true;
}

static void check_failures(const struct trio *trio)
{
    for (unsigned i = 0; i < TRIO; i++)
        if (trio->members[i].failed != 0)
            fail_msg("member %u has failed: %s", i,
                     trio->members[i].error.text);
}

static void end_timer(struct trio *trio, uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
    uv_run(&trio->loop, UV_RUN_NOWAIT);
}

void trio_run_until(struct trio *trio, bool (*holds)(struct trio *trio),
                    const char *words)
{
    uv_timer_t patience;
    trio->waits_for = words;
    uv_timer_init(&trio->loop, &patience);
    patience.data = trio;
    uv_update_time(&trio->loop);
    uv_timer_start(&patience, on_patience_end, PATIENCE_MS, 0);
    while (!holds(trio)) {
        uv_run(&trio->loop, UV_RUN_ONCE);
        check_failures(trio);
    }
    end_timer(trio, &patience);
}

void trio_run_for(struct trio *trio, uint64_t ms)
{
    uv_timer_t timer;
    bool over = false;
    uv_timer_init(&trio->loop, &timer);
    timer.data = &over;
    uv_update_time(&trio->loop);
    uv_timer_start(&timer, set_flag, ms, 0);
    while (!over) {
        uv_run(&trio->loop, UV_RUN_ONCE);
        check_failures(trio);
    }
    end_timer(trio, &timer);
}

struct trio_member *trio_leader(struct trio *trio)
{
    struct trio_member *leader = NULL;
    for (unsigned i = 0; i < TRIO; i++) {
        struct trio_member *member = &trio->members[i];
        if (member->cluster != NULL && member->leading_term != 0 &&
            (leader == NULL || member->leading_term > leader->leading_term))
            leader = member;
    }
    return leader;
}

static bool has_leader(struct trio *trio)
{
    return trio_leader(trio) != NULL;
}

struct trio_member *trio_lead(struct trio *trio)
{
    trio_run_until(trio, has_leader, "a leader");
    return trio_leader(trio);
}

/* --- Entries ------------------------------------------------------------ */

static uint64_t wanted_index;
static struct trio_member *submitted_to;

static bool is_acknowledged(struct trio *trio)
{
    (void)trio;
    return submitted_to->last_index >= wanted_index ||
           submitted_to->leading_term == 0;
}

static bool can_submit(struct trio *trio)
{
    struct trio_member *leader = trio_leader(trio);
    return leader != NULL && cluster_can_submit(leader->cluster);
}

/* Each entry is unlike all others; which is acknowledged stays. */
static bool submit_one(struct trio *trio, size_t bytes)
{
    static uint64_t number;
    trio_run_until(trio, can_submit, "a leader that takes an entry");
    struct buffer *entry = buffer_new(bytes);
    assert_non_null(entry);
    entry->length = bytes;
    memset(entry->data, (int)(++number & 0xff), bytes);
    memcpy(entry->data, &number, sizeof number);
    submitted_to = trio_leader(trio);
    if (cluster_submit(submitted_to->cluster, entry, &wanted_index) != 0) {
        buffer_unref(entry);
        uv_run(&trio->loop, UV_RUN_ONCE);
        return false;
    }
    trio_run_until(trio, is_acknowledged, "an entry committed");
    if (submitted_to->last_index < wanted_index)
        return false;
    trio->acknowledged = wanted_index;
    return true;
}

void trio_submit(struct trio *trio, unsigned count, size_t bytes)
{
    while (count > 0)
        if (submit_one(trio, bytes))
            count--;
}

static bool all_have(struct trio *trio)
{
    for (unsigned i = 0; i < TRIO; i++)
        if (trio->members[i].cluster != NULL &&
            trio->members[i].last_index < trio->acknowledged)
            return false;
    return true;
}

void trio_agree(struct trio *trio)
{
    trio_run_until(trio, all_have, "all entries on all members");
    for (uint64_t index = 1; index <= trio->acknowledged; index++)
        for (unsigned i = 0; i < TRIO; i++) {
            const struct trio_member *member = &trio->members[i];
            const struct trio_member *other = &trio->members[(i + 1) % TRIO];
            if (member->cluster != NULL && other->cluster != NULL)
                assert_true(member->hashes[index] == other->hashes[index]);
        }
}
