/* storage.c - what the store costs: CPU per message of apply and commit, of
 * grants and outcomes, and of reading a feed.
 *
 *     gcc -O2 -I. -D_GNU_SOURCE scripts/bench-tools/storage.c \
 *         build/libstorage.a build/libbase.a -llmdb -lxxhash -lpthread \
 *         -o /tmp/bench-storage
 *     /tmp/bench-storage DIRECTORY [MESSAGES [PER_ENTRY [BYTES [TOPICS]]]]
 *
 * KEEP_HEAP in the environment keeps freed memory, as the daemon should.
 * DIRECTORY must be new. Each message is a command of its own, as single
 * requests are; commits come as the writer's do, by bytes or time. */
#include "base/bounds.h"
#include "base/clock.h"
#include "storage/command.h"
#include "storage/query.h"
#include "storage/store.h"
#include "storage/verify.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { IN_FLIGHT = 16 };

struct bench {
    struct store *store;
    struct encoder entry;
    struct arena arena;
    uint64_t index;
    uint64_t committed_ms;
    uint64_t commits;
    uint64_t apply_us;
    uint64_t commit_us;
    uint64_t commit_max_us;
};

static uint64_t cpu_us(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void must(int rc, const struct error *error)
{
    if (rc == 0)
        return;
    fprintf(stderr, "%s\n", error->text);
    exit(1);
}

static void commit(struct bench *bench)
{
    struct error error = {0};
    uint64_t began_cpu = cpu_us();
    uint64_t began = clock_us();
    must(store_commit(bench->store, &error), &error);
    uint64_t took = clock_us() - began;
    if (took > bench->commit_max_us)
        bench->commit_max_us = took;
    bench->commit_us += cpu_us() - began_cpu;
    bench->commits++;
    bench->committed_ms = clock_ms();
}

static void apply(struct bench *bench)
{
    struct error error = {0};
    struct command_result *results;
    uint32_t count;
    uint64_t began = cpu_us();
    must(store_apply(bench->store, ++bench->index, encoder_slice(&bench->entry),
                     &bench->arena, &results, &count, &error),
         &error);
    for (uint32_t i = 0; i < count; i++)
        must(results[i].code, &error);
    bench->apply_us += cpu_us() - began;
    arena_close(&bench->arena);
    bench->entry.length = 0;
    if (store_pending_bytes(bench->store) >= BOUND_COMMIT_BYTES ||
        clock_ms() - bench->committed_ms >= BOUND_COMMIT_MS)
        commit(bench);
}

static void report(struct bench *bench, const char *what, uint64_t began_us,
                   double messages)
{
    commit(bench);
    double wall = (double)(clock_us() - began_us);
    printf("%-22s %8.2f us apply, %6.2f us commit a message; %9.0f/s; "
           "%llu commits, longest %.1f ms\n",
           what, (double)bench->apply_us / messages,
           (double)bench->commit_us / messages, messages / wall * 1e6,
           (unsigned long long)bench->commits,
           (double)bench->commit_max_us / 1000);
    bench->apply_us = bench->commit_us = 0;
    bench->commits = bench->commit_max_us = 0;
}

static void setup(struct bench *bench, uint32_t topics)
{
    for (uint32_t i = 0; i < topics; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        struct topic_options topic = {.name = slice_text(name),
                                      .origin_host = slice_text("h")};
        struct command_publisher_create create = {
            .topic_id = i + 1,
            .options = {.target = slice_text("http://127.0.0.1/"),
                        .type = PUBLISHER_HTTP}};
        command_topic_create_encode(&bench->entry, 1000, &topic);
        command_publisher_create_encode(&bench->entry, 1000, &create);
    }
    apply(bench);
}

static void publish(struct bench *bench, uint32_t messages, uint32_t per_entry,
                    uint32_t bytes, uint32_t topics)
{
    uint8_t *payload = memory_new(bytes);
    memset(payload, 'x', bytes);
    uint64_t began = clock_us();
    for (uint32_t i = 0; i < messages;) {
        for (uint32_t k = 0; k < per_entry && i < messages; k++, i++) {
            struct message message = {.topic_id = 1 + i % topics,
                                      .payload = slice_of(payload, bytes)};
            size_t begun = command_messages_begin(&bench->entry, 1000 + i, 1);
            message_encode(&bench->entry, &message);
            command_end(&bench->entry, begun);
        }
        apply(bench);
    }
    report(bench, "publish", began, messages);
    free(payload);
}

/* The first publisher works off its backlog with IN_FLIGHT in flight. */
static void deliver(struct bench *bench, uint32_t messages, uint32_t topics,
                    enum delivery_state state)
{
    uint32_t count = messages / topics;
    uint64_t began = clock_us();
    for (uint32_t i = 0; i + IN_FLIGHT <= count; i += IN_FLIGHT) {
        uint64_t open[IN_FLIGHT];
        struct outcome list[IN_FLIGHT];
        for (uint32_t k = 0; k < IN_FLIGHT; k++) {
            open[k] = 1 + (uint64_t)(i + k) * topics;
            list[k] = (struct outcome){
                .position = open[k],
                .state = state,
                .next_attempt_ms = 90000 + i,
                .attempt = {.number = 1, .status = 200, .started_ms = 1000}};
        }
        struct command_grant grant = {.publisher_id = 1,
                                      .from = i == 0 ? 1 : open[0] - topics + 1,
                                      .upto = open[IN_FLIGHT - 1],
                                      .examined = IN_FLIGHT,
                                      .open_count = IN_FLIGHT,
                                      .open = open};
        struct command_outcomes outcomes = {
            .publisher_id = 1, .count = IN_FLIGHT, .outcomes = list};
        command_grant_encode(&bench->entry, 1000, &grant);
        apply(bench);
        command_outcomes_encode(&bench->entry, 1000, &outcomes);
        apply(bench);
    }
    report(bench,
           state == DELIVERY_DELIVERED ? "grant and deliver" : "grant and fail",
           began, count);
}

static void feed(struct bench *bench, uint32_t messages, uint32_t topics)
{
    struct error error = {0};
    struct view *view;
    uint64_t from = 1;
    uint64_t got = 0;
    uint64_t began = cpu_us();
    must(view_begin(bench->store, &view, &error), &error);
    for (;;) {
        struct feed_item *items;
        uint32_t count;
        must(query_feed(view, 1, from, BOUND_FEED_MESSAGES, BOUND_FEED_BYTES,
                        &bench->arena, &items, &count, &error),
             &error);
        if (count == 0)
            break;
        got += count;
        from = items[count - 1].position + 1;
        arena_close(&bench->arena);
    }
    view_end(view);
    printf("%-22s %8.2f us a message, %llu of %u\n", "feed",
           (double)(cpu_us() - began) / (double)got, (unsigned long long)got,
           messages / topics);
}

static void look_up(struct bench *bench, uint32_t messages)
{
    enum { LOOKS = 5000 };
    struct error error = {0};
    struct view *view;
    uint64_t id = 1;
    uint64_t began = cpu_us();
    must(view_begin(bench->store, &view, &error), &error);
    for (int i = 0; i < LOOKS; i++) {
        struct message_view message;
        id = (id * 6364136223846793005u + 1442695040888963407u);
        must(query_message(view, 1 + (id >> 33) % messages, &bench->arena,
                           &message, &error),
             &error);
        arena_close(&bench->arena);
    }
    view_end(view);
    printf("%-22s %8.2f us\n", "look at one message",
           (double)(cpu_us() - began) / LOOKS);
}

static void verify(struct bench *bench)
{
    struct error error = {0};
    struct view *view;
    struct verify_report whole;
    struct store_space space;
    uint64_t began = clock_us();
    must(view_begin(bench->store, &view, &error), &error);
    must(verify_all(view, &whole, &error), &error);
    view_end(view);
    must(store_space(bench->store, &space, &error), &error);
    printf("%-22s %8.2f ms, %llu records, %llu bytes; file %llu, reusable "
           "%llu\n",
           "verify", (double)(clock_us() - began) / 1000,
           (unsigned long long)whole.records, (unsigned long long)whole.bytes,
           (unsigned long long)space.file_bytes,
           (unsigned long long)space.reusable_bytes);
}

int main(int count, char **arguments)
{
    struct error error = {0};
    struct bench bench = {0};
    struct store_options options = {.map_bytes = 64ull << 30};
    if (count < 2) {
        fprintf(stderr, "usage: storage DIRECTORY [MESSAGES [PER_ENTRY [BYTES "
                        "[TOPICS]]]]\n");
        return 2;
    }
    /* Pages that the heap gives back are faulted in again with the next batch;
     * that costs more than all the rest. */
    if (getenv("KEEP_HEAP") != NULL) {
        mallopt(M_MMAP_THRESHOLD, 64 << 20);
        mallopt(M_TRIM_THRESHOLD, 256 << 20);
    }
    uint32_t messages = count > 2 ? (uint32_t)atoi(arguments[2]) : 200000;
    uint32_t per_entry = count > 3 ? (uint32_t)atoi(arguments[3]) : 64;
    uint32_t bytes = count > 4 ? (uint32_t)atoi(arguments[4]) : 1024;
    uint32_t topics = count > 5 ? (uint32_t)atoi(arguments[5]) : 1;
    must(store_open(arguments[1], &options, &bench.store, &error), &error);
    setup(&bench, topics);
    commit(&bench);
    report(&bench, "setup", clock_us(), topics);
    publish(&bench, messages, per_entry, bytes, topics);
    feed(&bench, messages, topics);
    deliver(&bench, messages, topics, DELIVERY_DELIVERED);
    look_up(&bench, messages);
    verify(&bench);
    store_close(bench.store);
    encoder_close(&bench.entry);
    arena_close(&bench.arena);
    return 0;
}
