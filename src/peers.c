#include "peers.h"

#include <stdlib.h>

enum { CLOCKS_MIN = 3 }; /* Of two that differ nobody knows which is wrong. */

void peer_report_encode(struct encoder *out, const struct peer_report *report)
{
    encoder_u32(out, report->node_id);
    encoder_u64(out, report->applied_index);
    encoder_u64(out, report->state_hash.low);
    encoder_u64(out, report->state_hash.high);
    encoder_u64(out, report->wall_ms);
    encoder_string(out, slice_text(report->url));
    encoder_string(out, slice_text(report->version));
    encoder_u8(out, (uint8_t)report->stranded_count);
    for (uint32_t i = 0; i < report->stranded_count; i++)
        encoder_u32(out, report->stranded[i]);
}

/* Printable ASCII without quotes: it is shown to people and put into JSON. */
static bool take_text(struct slice text, char *to, size_t size)
{
    if (text.length >= size)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte <= ' ' || byte >= 127 || byte == '"' || byte == '\\')
            return false;
    }
    if (text.length > 0)
        memcpy(to, text.data, text.length);
    to[text.length] = '\0';
    return true;
}

static bool take_stranded(struct decoder *in, struct peer_report *heard)
{
    uint8_t count = decoder_u8(in);
    if (count > PEERS_MAX)
        return false;
    heard->stranded_count = count;
    for (uint8_t i = 0; i < count; i++)
        heard->stranded[i] = decoder_u32(in);
    return true;
}

static struct peer_report *place_for(struct peers *peers, uint32_t node_id)
{
    for (uint32_t i = 0; i < peers->count; i++) {
        if (peers->reports[i].node_id == node_id)
            return &peers->reports[i];
    }
    if (peers->count == PEERS_MAX)
        return NULL;
    return &peers->reports[peers->count++];
}

bool peers_hear(struct peers *peers, struct slice report, uint64_t now_ms,
                uint64_t wall_ms)
{
    struct peer_report heard = {.heard_ms = now_ms};
    struct decoder in = decoder_of(report);
    heard.node_id = decoder_u32(&in);
    heard.applied_index = decoder_u64(&in);
    heard.state_hash.low = decoder_u64(&in);
    heard.state_hash.high = decoder_u64(&in);
    heard.wall_ms = decoder_u64(&in);
    heard.ahead_ms = (int64_t)(heard.wall_ms - wall_ms);
    struct slice url = decoder_string(&in);
    struct slice version = decoder_string(&in);
    if (!take_stranded(&in, &heard) || !decoder_done(&in) ||
        heard.node_id == 0 || !take_text(url, heard.url, sizeof heard.url) ||
        !take_text(version, heard.version, sizeof heard.version))
        return false;
    struct peer_report *place = place_for(peers, heard.node_id);
    if (place != NULL)
        *place = heard;
    return place != NULL;
}

const struct peer_report *peers_find(const struct peers *peers,
                                     uint32_t node_id)
{
    for (uint32_t i = 0; i < peers->count; i++) {
        if (peers->reports[i].node_id == node_id)
            return &peers->reports[i];
    }
    return NULL;
}

bool peer_report_strands(const struct peer_report *report, uint32_t node_id)
{
    for (uint32_t i = 0; report != NULL && i < report->stranded_count; i++)
        if (report->stranded[i] == node_id)
            return true;
    return false;
}

bool peer_report_is_fresh(const struct peer_report *report, uint64_t now_ms)
{
    return report != NULL && now_ms - report->heard_ms < PEERS_FRESH_MS;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

bool peers_clock_ahead(const struct peers *peers, const uint32_t *voters,
                       uint32_t count, uint32_t own_id, uint64_t now_ms,
                       int64_t *ret_ahead_ms)
{
    int64_t ahead_ms[PEERS_MAX];
    uint32_t known = 0;
    for (uint32_t i = 0; i < count && known < PEERS_MAX; i++) {
        const struct peer_report *report = peers_find(peers, voters[i]);
        if (voters[i] == own_id)
            ahead_ms[known++] = 0;
        else if (peer_report_is_fresh(report, now_ms))
            ahead_ms[known++] = report->ahead_ms;
    }
    if (known < CLOCKS_MIN)
        return false;
    qsort(ahead_ms, known, sizeof *ahead_ms, compare);
    *ret_ahead_ms = ahead_ms[known / 2];
    return true;
}
