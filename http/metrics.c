/* Prometheus text format 0.0.4: HELP, TYPE and value of each series. Names
 * follow its conventions: base units, `_total` for what only grows. */
#include "http/metrics_publishers.h"
#include "http/resources.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

enum shape { COUNTER, GAUGE, SECONDS /* A counter kept in microseconds. */ };

struct series {
    const char *name;
    const char *help;
    enum shape shape;
    size_t offset; /* In struct backend_metrics. */
};

#define SERIES(name, shape, field, help)                                       \
    {                                                                          \
        "postoffice_" name, help, shape,                                       \
            offsetof(struct backend_metrics, field)                            \
    }

static const struct series all[] = {
    SERIES("messages_published_total", COUNTER, messages_published,
           "Messages acknowledged to publishing clients."),
    SERIES("payload_published_bytes_total", COUNTER, payload_bytes_published,
           "Payload bytes of acknowledged messages."),
    SERIES("publish_refused_total", COUNTER, publish_refused,
           "Publish requests refused with 429, 503 or 507."),
    SERIES("backlog_messages", GAUGE, backlog_messages,
           "Messages not yet settled, summed over publishers."),
    SERIES("deliveries_in_flight", GAUGE, deliveries_in_flight,
           "Delivery requests under way."),
    SERIES("delivery_attempts_succeeded_total", COUNTER, attempts_succeeded,
           "Delivery attempts that a target accepted."),
    SERIES("delivery_attempts_failed_total", COUNTER, attempts_failed,
           "Delivery attempts that failed."),
    SERIES("deliveries_delivered_total", COUNTER, deliveries_delivered,
           "Deliveries that ended delivered."),
    SERIES("deliveries_dead_total", COUNTER, deliveries_dead,
           "Deliveries that ended dead-lettered."),
    SERIES("deliveries_maybe_duplicate_total", COUNTER, duplicates_possible,
           "Deliveries sent with the mark of a possible duplicate."),
    SERIES("topics", GAUGE, topics, "Topics."),
    SERIES("publishers", GAUGE, publishers, "Publishers."),
    SERIES("publishers_untold", GAUGE, publishers_untold,
           "Publishers beyond those that have series of their own."),
    SERIES("raft_term", GAUGE, term, "Current term of the replicated log."),
    SERIES("raft_commit_index", GAUGE, commit_index,
           "Index of the last committed log entry."),
    SERIES("raft_applied_index", GAUGE, applied_index,
           "Index of the last log entry applied to the store."),
    SERIES("raft_is_leader", GAUGE, leader,
           "1 while this node leads the cluster."),
    SERIES("log_size_bytes", GAUGE, log_bytes,
           "Bytes of log segments on disk."),
    SERIES("log_syncs_total", COUNTER, log_syncs, "Syncs of the log."),
    SERIES("log_sync_seconds_total", SECONDS, log_sync_us,
           "Time spent in syncs of the log."),
    SERIES("log_written_bytes_total", COUNTER, log_written_bytes,
           "Bytes written to the log."),
    SERIES("store_file_bytes", GAUGE, store_file_bytes,
           "Size of the store's data file."),
    SERIES("store_reusable_bytes", GAUGE, store_reusable_bytes,
           "Free pages within the store's data file."),
    SERIES("store_commits_total", COUNTER, store_commits,
           "Durable commits of the store."),
    SERIES("store_commit_seconds_total", SECONDS, store_commit_us,
           "Time spent in commits of the store."),
    SERIES("disk_free_bytes", GAUGE, disk_free_bytes,
           "Free bytes of the data directory's file system."),
    SERIES("proposals_waiting_bytes", GAUGE, proposals_waiting_bytes,
           "Bytes of commands that wait for the log."),
};

static void write_series(struct encoder *out, const struct series *series,
                         uint64_t value)
{
    char text[512];
    int length =
        snprintf(text, sizeof text, "# HELP %s %s\n# TYPE %s %s\n%s ",
                 series->name, series->help, series->name,
                 series->shape == GAUGE ? "gauge" : "counter", series->name);
    encoder_bytes(out, slice_of(text, (size_t)length));
    if (series->shape == SECONDS)
        length = snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64 "\n",
                          value / 1000000, value % 1000000);
    else
        length = snprintf(text, sizeof text, "%" PRIu64 "\n", value);
    encoder_bytes(out, slice_of(text, (size_t)length));
}

static void on_metrics(struct request *request,
                       const struct backend_result *result)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t value;
        memcpy(&value, (const char *)result->metrics + all[i].offset,
               sizeof value);
        write_series(&request->answer, &all[i], value);
    }
    metrics_write_publishers(&request->answer, result, clock_wall_ms());
    request_send(request, 200, "text/plain; version=0.0.4; charset=utf-8");
}

void metrics_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    backend->metrics(backend->context, request_wait(request, on_metrics));
}
