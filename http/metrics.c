/* Prometheus text format 0.0.4: HELP, TYPE and value of each series. Names
 * follow its conventions: base units, `_total` for what only grows. */
#include "http/metrics_members.h"
#include "http/metrics_publishers.h"
#include "http/resources.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stddef.h>

enum shape {
    COUNTER,
    GAUGE,
    COUNTER_US, /* Kept in microseconds, told in seconds. */
    GAUGE_US,
};

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
/* What every program tells under the same names. */
#define PROCESS(name, shape, field, help)                                      \
    {                                                                          \
        "process_" name, help, shape,                                          \
            offsetof(struct backend_metrics, process.field)                    \
    }

static const struct series all[] = {
    /* Since this node started, as all counters. */
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
    SERIES("raft_leader_known", GAUGE, leader_known,
           "1 while this node knows who leads."),
    SERIES("raft_leaderships_total", COUNTER, leaderships,
           "How often this node has come to lead."),
    SERIES("raft_last_index", GAUGE, last_index,
           "Index of the last log entry, be it committed or not."),
    SERIES("raft_first_index", GAUGE, first_index,
           "Index of the oldest entry still in the log."),
    SERIES("ready", GAUGE, ready, "1 while /readyz says 200."),
    SERIES("writable", GAUGE, writable,
           "1 while a message sent here would be taken."),
    SERIES("log_size_bytes", GAUGE, log_bytes,
           "Bytes of log segments on disk."),
    SERIES("log_syncs_total", COUNTER, log_syncs, "Syncs of the log."),
    SERIES("log_sync_seconds_total", COUNTER_US, log_sync_us,
           "Time spent in syncs of the log."),
    SERIES("log_written_bytes_total", COUNTER, log_written_bytes,
           "Bytes written to the log."),
    SERIES("store_file_bytes", GAUGE, store_file_bytes,
           "Size of the store's data file."),
    SERIES("store_reusable_bytes", GAUGE, store_reusable_bytes,
           "Free pages within the store's data file."),
    SERIES("store_limit_bytes", GAUGE, store_limit_bytes,
           "What the store may grow to (--max-store-bytes)."),
    SERIES("store_commits_total", COUNTER, store_commits,
           "Durable commits of the store."),
    SERIES("store_commit_seconds_total", COUNTER_US, store_commit_us,
           "Time spent in commits of the store."),
    SERIES("indexed_message_id", GAUGE, indexed_message_id,
           "The last message that is in the index of searches; 0: none."),
    SERIES("disk_free_bytes", GAUGE, disk_free_bytes,
           "Free bytes of the data directory's file system."),
    SERIES("disk_reserve_bytes", GAUGE, disk_reserve_bytes,
           "Free bytes below which publishing is refused (--min-free-bytes)."),
    SERIES("idempotency_keys", GAUGE, idempotency_keys,
           "Idempotency keys that are remembered."),
    SERIES("idempotency_keys_limit", GAUGE, idempotency_keys_limit,
           "Beyond so many a request with a new key is refused."),
    SERIES("proposals_waiting_bytes", GAUGE, proposals_waiting_bytes,
           "Bytes of commands that wait for the log."),
    SERIES("log_warnings_total", COUNTER, log_warnings,
           "Lines of level warn that were logged."),
    SERIES("log_errors_total", COUNTER, log_errors,
           "Lines of level error that were logged."),
    SERIES("log_silenced_total", COUNTER, log_silenced,
           "Lines left out of the log because too many were like them."),
    PROCESS("cpu_seconds_total", COUNTER_US, cpu_us,
            "Processor time, of user and system."),
    PROCESS("resident_memory_bytes", GAUGE, resident_bytes,
            "Memory in use, with the pages of the store's map."),
    PROCESS("virtual_memory_bytes", GAUGE, virtual_bytes,
            "Address space, with the whole of the store's map."),
    PROCESS("open_fds", GAUGE, open_descriptors, "Open descriptors."),
    PROCESS("max_fds", GAUGE, descriptors_max,
            "As many descriptors as the process may open."),
    PROCESS("threads", GAUGE, threads, "Threads."),
    PROCESS("start_time_seconds", GAUGE_US, started_us,
            "When the process started, since the Unix epoch."),
};

static const char *type_of(enum shape shape)
{
    return shape == COUNTER || shape == COUNTER_US ? "counter" : "gauge";
}

static void write_series(struct encoder *out, const struct series *series,
                         uint64_t value)
{
    encoder_print(out, "# HELP %s %s\n# TYPE %s %s\n", series->name,
                  series->help, series->name, type_of(series->shape));
    if (series->shape == COUNTER_US || series->shape == GAUGE_US)
        encoder_print(out, "%s %" PRIu64 ".%06" PRIu64 "\n", series->name,
                      value / 1000000, value % 1000000);
    else
        encoder_print(out, "%s %" PRIu64 "\n", series->name, value);
}

static void on_metrics(struct request *request,
                       const struct backend_result *result)
{
    const struct backend *backend = request_backend(request);
    struct backend_status status;
    bool measured = result->metrics->process.started_us != 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        uint64_t value;
        if (!measured &&
            all[i].offset >= offsetof(struct backend_metrics, process))
            continue;
        memcpy(&value, (const char *)result->metrics + all[i].offset,
               sizeof value);
        write_series(&request->answer, &all[i], value);
    }
    backend->status(backend->context, &status);
    metrics_write_members(&request->answer, &status);
    metrics_write_publishers(&request->answer, result, clock_wall_ms());
    request_tell_server(request);
    request_send(request, 200, "text/plain; version=0.0.4; charset=utf-8");
}

void metrics_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    backend->metrics(backend->context, request_wait(request, on_metrics));
}
