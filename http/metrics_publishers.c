/* What /metrics tells of publishers one by one: the first
 * BOUND_METRICS_PUBLISHERS by id, with the labels `publisher` and `topic`, so
 * that the number of series is bounded. What the store knows is told by every
 * node, what delivery knows by the one that delivers. */
#include "http/metrics_publishers.h"

#include "http/resources.h"

#include <inttypes.h>
#include <stdio.h>

struct telling {
    struct encoder *out;
    const struct backend_result *result;
    uint64_t now_ms;
};

static void say_family(const struct telling *telling, const char *name,
                       const char *type, const char *help)
{
    encoder_print(telling->out, "# HELP postoffice_publisher_%s %s\n", name,
                  help);
    encoder_print(telling->out, "# TYPE postoffice_publisher_%s %s\n", name,
                  type);
}

/* Up to the labels that all have; more may follow behind a comma. */
static void say_labels(const struct telling *telling, const char *name,
                       uint32_t index)
{
    const struct publisher *publisher =
        &telling->result->publishers[index].publisher;
    encoder_print(telling->out,
                  "postoffice_publisher_%s{publisher=\"%" PRIu32
                  "\",topic=\"%.*s\"",
                  name, publisher->id, (int)publisher->topic.length,
                  (const char *)publisher->topic.data);
}

static void say_seconds(const struct telling *telling, uint64_t ms)
{
    encoder_print(telling->out, "%" PRIu64 ".%03" PRIu64, ms / 1000, ms % 1000);
}

/* ---- What the store knows ---- */

struct gauge {
    const char *name;
    const char *help;
    size_t offset; /* In struct publisher_counts. */
};
static const struct gauge gauges[] = {
    {"backlog_messages", "Messages not yet settled.",
     offsetof(struct publisher_counts, backlog)},
    {"retrying_messages", "Messages that wait for their next attempt.",
     offsetof(struct publisher_counts, retrying)},
    {"parked_messages", "Messages that wait behind a blocked key.",
     offsetof(struct publisher_counts, parked)},
    {"dead_messages", "Dead letters.", offsetof(struct publisher_counts, dead)},
    {"ambiguous_messages", "Messages whose delivery a person must decide.",
     offsetof(struct publisher_counts, ambiguous)},
    {"delivered_messages", "Messages that were delivered and are kept.",
     offsetof(struct publisher_counts, delivered)},
};

static void tell_gauge(const struct telling *telling, const struct gauge *gauge)
{
    say_family(telling, gauge->name, "gauge", gauge->help);
    for (uint32_t i = 0; i < telling->result->count; i++) {
        uint64_t value;
        memcpy(&value,
               (const char *)&telling->result->publishers[i].counts +
                   gauge->offset,
               sizeof value);
        say_labels(telling, gauge->name, i);
        encoder_print(telling->out, "} %" PRIu64 "\n", value);
    }
}

static void tell_age(const struct telling *telling)
{
    static const char name[] = "oldest_undelivered_age_seconds";
    say_family(telling, name, "gauge",
               "Age of the oldest message not yet settled; 0: none.");
    for (uint32_t i = 0; i < telling->result->count; i++) {
        uint64_t since_ms =
            telling->result->publishers[i].counts.oldest_undelivered_ms;
        say_labels(telling, name, i);
        encoder_print(telling->out, "} ");
        say_seconds(telling, since_ms != 0 && since_ms < telling->now_ms
                                 ? telling->now_ms - since_ms
                                 : 0);
        encoder_print(telling->out, "\n");
    }
}

static void tell_state(const struct telling *telling)
{
    static const char *const states[] = {"active", "paused", "throttled",
                                         "circuit_open"};
    say_family(telling, "state", "gauge", "1 for the state that it is in.");
    for (uint32_t i = 0; i < telling->result->count; i++) {
        const char *state =
            publisher_state(&telling->result->publishers[i],
                            &telling->result->activities[i], telling->now_ms);
        for (size_t j = 0; j < sizeof states / sizeof *states; j++) {
            say_labels(telling, "state", i);
            encoder_print(telling->out, ",state=\"%s\"} %d\n", states[j],
                          strcmp(states[j], state) == 0);
        }
    }
}

/* ---- What delivery knows ---- */

static void tell_in_flight(const struct telling *telling)
{
    say_family(telling, "in_flight", "gauge", "Requests under way.");
    for (uint32_t i = 0; i < telling->result->count; i++) {
        if (!telling->result->activities[i].known)
            continue;
        say_labels(telling, "in_flight", i);
        encoder_print(telling->out, "} %" PRIu32 "\n",
                      telling->result->activities[i].in_flight);
    }
}

/* A class that never came is left out. */
static void tell_classes(const struct telling *telling)
{
    say_family(telling, "attempts_total", "counter",
               "Attempts by the class of their outcome, since this node began "
               "to deliver.");
    for (uint32_t i = 0; i < telling->result->count; i++) {
        const struct backend_outcomes *outcomes =
            &telling->result->activities[i].outcomes;
        for (int class = ATTEMPT_OK; class <= ATTEMPT_EXPIRED; class ++) {
            if (outcomes->by_class[class] == 0)
                continue;
            say_labels(telling, "attempts_total", i);
            encoder_print(telling->out, ",class=\"%s\"} %" PRIu64 "\n",
                          attempt_class_text((enum attempt_class) class),
                          outcomes->by_class[class]);
        }
    }
}

struct counter {
    const char *name;
    const char *help;
    size_t offset; /* In struct backend_outcomes. */
};
static const struct counter counters[] = {
    {"dead_total", "Deliveries that ended dead-lettered.",
     offsetof(struct backend_outcomes, dead)},
    {"ambiguous_total", "Deliveries left to a person to decide.",
     offsetof(struct backend_outcomes, ambiguous)},
    {"maybe_duplicate_total",
     "Deliveries sent with the mark of a possible duplicate.",
     offsetof(struct backend_outcomes, doubtful)},
    {"circuit_opened_total", "How often the circuit has opened.",
     offsetof(struct backend_outcomes, circuits)},
};

static void tell_counter(const struct telling *telling,
                         const struct counter *counter)
{
    say_family(telling, counter->name, "counter", counter->help);
    for (uint32_t i = 0; i < telling->result->count; i++) {
        const struct publisher_activity *activity =
            &telling->result->activities[i];
        uint64_t value;
        if (!activity->known)
            continue;
        memcpy(&value, (const char *)&activity->outcomes + counter->offset,
               sizeof value);
        say_labels(telling, counter->name, i);
        encoder_print(telling->out, "} %" PRIu64 "\n", value);
    }
}

static void tell_histogram(const struct telling *telling, const char *name,
                           uint32_t index,
                           const struct backend_histogram *histogram)
{
    char bucket[64];
    uint64_t below = 0;
    snprintf(bucket, sizeof bucket, "%s_bucket", name);
    for (uint32_t i = 0; i < histogram->bucket_count; i++) {
        below += histogram->buckets[i];
        say_labels(telling, bucket, index);
        encoder_print(telling->out, ",le=\"");
        say_seconds(telling, histogram->bounds_ms[i]);
        encoder_print(telling->out, "\"} %" PRIu64 "\n", below);
    }
    say_labels(telling, bucket, index);
    encoder_print(telling->out, ",le=\"+Inf\"} %" PRIu64 "\n",
                  histogram->count);
    snprintf(bucket, sizeof bucket, "%s_sum", name);
    say_labels(telling, bucket, index);
    encoder_print(telling->out, "} ");
    say_seconds(telling, histogram->sum_ms);
    snprintf(bucket, sizeof bucket, "%s_count", name);
    encoder_print(telling->out, "\n");
    say_labels(telling, bucket, index);
    encoder_print(telling->out, "} %" PRIu64 "\n", histogram->count);
}

/* What has not happened yet has no histogram. */
static void tell_histograms(const struct telling *telling)
{
    static const char delivery[] = "delivery_seconds";
    static const char end_to_end[] = "end_to_end_seconds";
    const struct publisher_activity *activities = telling->result->activities;
    say_family(telling, delivery, "histogram",
               "From a delivery's request to its answer.");
    for (uint32_t i = 0; i < telling->result->count; i++)
        if (activities[i].delivery.count > 0)
            tell_histogram(telling, delivery, i, &activities[i].delivery);
    say_family(telling, end_to_end, "histogram",
               "From a message's acceptance, or the time that it was scheduled "
               "for, to its delivery.");
    for (uint32_t i = 0; i < telling->result->count; i++)
        if (activities[i].end_to_end.count > 0)
            tell_histogram(telling, end_to_end, i, &activities[i].end_to_end);
}

void metrics_write_publishers(struct encoder *out,
                              const struct backend_result *result,
                              uint64_t now_ms)
{
    struct telling telling = {.out = out, .result = result, .now_ms = now_ms};
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++)
        tell_gauge(&telling, &gauges[i]);
    tell_age(&telling);
    tell_state(&telling);
    tell_in_flight(&telling);
    tell_classes(&telling);
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        tell_counter(&telling, &counters[i]);
    tell_histograms(&telling);
}
