/* What a person sees of a stream: how far it is, and what was refused. */
#include "base/clock.h"
#include "stream.h"
#include "terminal.h"

#include <inttypes.h>
#include <stdio.h>

enum { PROGRESS_MS = 200 };

void progress_clear(const struct stream *stream)
{
    if (stream->progress && stream->shown_ms != 0)
        fputs("\r\033[K", stderr);
}

void progress_counts(const struct stream *stream)
{
    uint64_t passed = clock_ms() - stream->began_ms;
    uint64_t stored = stream->mark.stored - stream->before;
    fprintf(stderr, "%" PRIu64 " stored", stream->mark.stored);
    if (stream->mark.refused > 0)
        fprintf(stderr, ", %" PRIu64 " refused", stream->mark.refused);
    fprintf(stderr, ", %" PRIu64 "/s", stored * 1000 / (passed + 1));
}

void progress_show(struct stream *stream)
{
    if (!stream->progress || clock_ms() - stream->shown_ms < PROGRESS_MS)
        return;
    progress_clear(stream);
    stream->shown_ms = clock_ms();
    progress_counts(stream);
    if (stream->size > 0)
        fprintf(stderr, ", %" PRIu64 " %%",
                stream->lines.bytes * 100 / stream->size);
}

void progress_refused(const struct stream *stream, uint64_t number,
                      const json_t *problem, const char *otherwise)
{
    struct encoder words = {0};
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    progress_clear(stream);
    visible_add(&words, slice_text(detail != NULL ? detail : otherwise));
    fprintf(stderr, "line %" PRIu64 ": %s\n", number, encoder_text(&words));
    encoder_close(&words);
}
