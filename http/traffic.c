#include "http/traffic.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>

/* From a read out of memory to a wait for a new leader. */
static const uint32_t bounds_ms[TRAFFIC_BUCKETS] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000};

void traffic_init(struct traffic *traffic, const struct route *routes)
{
    *traffic = (struct traffic){.routes = routes};
    while (routes[traffic->route_count].method != NULL)
        traffic->route_count++;
    traffic->lanes =
        memory_new_zeroed(traffic->route_count + 1, sizeof *traffic->lanes);
}

void traffic_close(struct traffic *traffic)
{
    free(traffic->lanes);
    *traffic = (struct traffic){0};
}

static uint32_t index_of(const struct traffic *traffic,
                         const struct route *route)
{
    return route == NULL ? traffic->route_count
                         : (uint32_t)(route - traffic->routes);
}

void traffic_count(struct traffic *traffic, const struct route *route,
                   int status, uint64_t duration_us)
{
    struct traffic_lane *lane = &traffic->lanes[index_of(traffic, route)];
    if (status < 200 || status > 599) {
        lane->answers[0]++;
        return;
    }
    lane->answers[status / 100 - 1]++;
    lane->count++;
    lane->sum_us += duration_us;
    for (int i = 0; i < TRAFFIC_BUCKETS; i++) {
        if (duration_us <= (uint64_t)bounds_ms[i] * 1000) {
            lane->buckets[i]++;
            return;
        }
    }
}

/* ---- In Prometheus's form ---- */

struct telling {
    const struct traffic *traffic;
    struct encoder *out;
};

/* Up to the labels that all have; more may follow behind a comma. */
static void say_labels(const struct telling *telling, const char *name,
                       uint32_t index)
{
    const struct traffic *traffic = telling->traffic;
    bool none = index == traffic->route_count;
    encoder_print(telling->out, "postoffice_http_%s{method=\"%s\",route=\"%s\"",
                  name, none ? "" : traffic->routes[index].method,
                  none ? "" : traffic->routes[index].pattern);
}

static void say_family(const struct telling *telling, const char *name,
                       const char *type, const char *help)
{
    encoder_print(telling->out,
                  "# HELP postoffice_http_%s %s\n# TYPE postoffice_http_%s "
                  "%s\n",
                  name, help, name, type);
}

static void tell_answers(const struct telling *telling)
{
    static const char name[] = "requests_total";
    static const char *const classes[TRAFFIC_CLASSES] = {"none", "2xx", "3xx",
                                                         "4xx", "5xx"};
    const struct traffic *traffic = telling->traffic;
    say_family(telling, name, "counter",
               "Requests of clients by route and class of status; none: the "
               "client went before its answer.");
    for (uint32_t i = 0; i <= traffic->route_count; i++) {
        for (int class = 0; class < TRAFFIC_CLASSES; class ++) {
            if (traffic->lanes[i].answers[class] == 0)
                continue;
            say_labels(telling, name, i);
            encoder_print(telling->out, ",code=\"%s\"} %" PRIu64 "\n",
                          classes[class], traffic->lanes[i].answers[class]);
        }
    }
}

static void tell_buckets(const struct telling *telling, uint32_t index,
                         const struct traffic_lane *lane)
{
    static const char name[] = "request_duration_seconds_bucket";
    uint64_t below = 0;
    for (int i = 0; i < TRAFFIC_BUCKETS; i++) {
        below += lane->buckets[i];
        say_labels(telling, name, index);
        encoder_print(telling->out,
                      ",le=\"%" PRIu32 ".%03" PRIu32 "\"} %" PRIu64 "\n",
                      bounds_ms[i] / 1000, bounds_ms[i] % 1000, below);
    }
    say_labels(telling, name, index);
    encoder_print(telling->out, ",le=\"+Inf\"} %" PRIu64 "\n", lane->count);
}

static void tell_durations(const struct telling *telling)
{
    static const char name[] = "request_duration_seconds";
    const struct traffic *traffic = telling->traffic;
    say_family(telling, name, "histogram",
               "From a request's arrival to its answer.");
    for (uint32_t i = 0; i <= traffic->route_count; i++) {
        const struct traffic_lane *lane = &traffic->lanes[i];
        if (lane->count == 0)
            continue;
        tell_buckets(telling, i, lane);
        say_labels(telling, "request_duration_seconds_sum", i);
        encoder_print(telling->out, "} %" PRIu64 ".%06" PRIu64 "\n",
                      lane->sum_us / 1000000, lane->sum_us % 1000000);
        say_labels(telling, "request_duration_seconds_count", i);
        encoder_print(telling->out, "} %" PRIu64 "\n", lane->count);
    }
}

void traffic_write(const struct traffic *traffic, struct encoder *out)
{
    struct telling telling = {.traffic = traffic, .out = out};
    tell_answers(&telling);
    tell_durations(&telling);
    say_family(&telling, "served_requests_total", "counter",
               "Requests answered for other nodes, which count them by route.");
    encoder_print(out, "postoffice_http_served_requests_total %" PRIu64 "\n",
                  traffic->served);
}
