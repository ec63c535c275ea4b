/* Messages from standard input, a line each.
 *
 * Lines gather into requests of bounded size. A request that begins with line
 * N has the idempotency key KEY:N, so that its n-th line counts as KEY:N:n;
 * the next one begins only when each of its lines has an outcome. So however
 * a request ends, the same lines are sent again from the same N, none fewer,
 * and what is stored already gives its id again.
 *
 *     read lines --> request --> node --> outcomes shown --> bookmark
 *                       ^                     |
 *                       +---- again, smaller -+  */
#include "base/clock.h"
#include "stream.h"
#include "terminal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Reading ---- */

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.length; i++)
        if (strchr(" \t\r", line.data[i]) == NULL || line.data[i] == '\0')
            return false;
    return true;
}

static void digest_line(struct stream *stream, struct slice line)
{
    XXH3_64bits_update(stream->digest, line.data, line.length);
    XXH3_64bits_update(stream->digest, "\n", 1);
}

static void add_line(struct stream *stream, struct slice line)
{
    send_wrap(&stream->body, stream->begun, line);
    encoder_u8(&stream->body, '\n');
    stream->batch[stream->count++] =
        (struct batch_line){.number = stream->lines.number,
                            .end = stream->body.length,
                            .digest = XXH3_64bits_digest(stream->digest)};
}

static bool is_full(const struct stream *stream)
{
    return stream->count == BATCH_LINES || stream->body.length >= BATCH_BYTES;
}

/* What is known to be refused without asking. What is before it goes first, so
 * that the bookmark passes all in order. */
static bool refuse_line(struct stream *stream, const char *why)
{
    if (!stream_send(stream))
        return false;
    stream->mark.refused++;
    stream->mark.line = stream->lines.number;
    stream->mark.digest = XXH3_64bits_digest(stream->digest);
    progress_refused(stream, stream->lines.number, NULL, why);
    return stream_save(stream);
}

static bool take_line(struct stream *stream, enum line_kind kind,
                      struct slice line)
{
    digest_line(stream, line);
    if (kind == LINE_TOO_LONG)
        return refuse_line(stream, "is too long");
    if (is_blank(line))
        return true;
    /* What is put into a message must not be able to end it. */
    if (stream->begun.length > 0 && !send_is_json(line))
        return refuse_line(stream, "is not JSON");
    add_line(stream, line);
    return true;
}

/* The input to its end. False: given up, with words. */
static bool send_all(struct stream *stream)
{
    while (true) {
        struct slice line;
        /* What has gathered does not wait for a silent pipe, unless it was
         * sent before together with what is still to come. */
        bool waits =
            stream->count == 0 || stream->lines.number < stream->mark.until;
        enum line_kind kind = lines_next(&stream->lines, waits, &line);
        if (kind == LINE_FAILED) {
            fprintf(stderr, "postoffice: standard input: %s\n",
                    strerror(errno));
            return false;
        }
        bool taken = kind == LINE_TAKEN || kind == LINE_TOO_LONG;
        if (taken && !take_line(stream, kind, line))
            return false;
        if ((!taken || is_full(stream)) && !stream_send(stream))
            return false;
        if (kind == LINE_END)
            return true;
    }
}

/* ---- Beginning and end ---- */

/* Skips what an earlier run has sent; false when the input is another one. */
static bool skip_lines(struct stream *stream)
{
    struct slice line;
    while (stream->lines.number < stream->mark.line) {
        enum line_kind kind = lines_next(&stream->lines, true, &line);
        if (kind != LINE_TAKEN && kind != LINE_TOO_LONG)
            break;
        digest_line(stream, line);
    }
    if (stream->lines.number == stream->mark.line &&
        XXH3_64bits_digest(stream->digest) == stream->mark.digest)
        return true;
    fprintf(stderr,
            "postoffice: %s tells of another input: give the same one and the "
            "same flags, or remove it to begin anew\n",
            stream->resume);
    return false;
}

static bool begin(struct stream *stream)
{
    struct error error = {0};
    bool found = false;
    if (stream->resume != NULL &&
        bookmark_load(stream->resume, &stream->mark, &found, &error) != 0) {
        fprintf(stderr, "postoffice: %s\n", error.text);
        return false;
    }
    XXH3_64bits_update(stream->digest, stream->begun.data,
                       stream->begun.length);
    stream->before = stream->mark.stored;
    if (found)
        return skip_lines(stream);
    send_make_key(stream->invocation, stream->mark.key);
    stream->mark.digest = XXH3_64bits_digest(stream->digest);
    return stream_save(stream);
}

static int finish(struct stream *stream, bool whole)
{
    bool terminal = isatty(STDERR_FILENO) != 0;
    progress_clear(stream);
    if (terminal || !whole || stream->mark.refused > 0) {
        progress_counts(stream);
        fprintf(stderr, "%s\n", whole ? "" : ", stopped before the end");
    }
    if (!whole && stream->resume != NULL)
        fputs("  The same command goes on from there.\n", stderr);
    if (!whole)
        return STATUS_CUT_SHORT;
    return stream->mark.refused > 0 ? STATUS_FAILED : STATUS_DONE;
}

int send_stream(const struct invocation *invocation, struct client *client,
                struct slice begun)
{
    static struct stream stream; /* Too large for the stack. */
    struct stat input;
    stream.invocation = invocation;
    stream.client = client;
    stream.begun = begun;
    stream.resume = flag_text(invocation, "resume");
    stream.lines.fd = STDIN_FILENO;
    stream.began_ms = clock_ms();
    stream.ids = !terminal_is_output();
    stream.progress = isatty(STDERR_FILENO) != 0 &&
                      !(flag_given(invocation, "json") && !stream.ids);
    stream.digest = XXH3_createState();
    XXH3_64bits_reset(stream.digest);
    if (fstat(STDIN_FILENO, &input) == 0 && S_ISREG(input.st_mode))
        stream.size = (uint64_t)input.st_size;
    int status = STATUS_FAILED;
    if (begin(&stream))
        status = finish(&stream, send_all(&stream));
    XXH3_freeState(stream.digest);
    lines_close(&stream.lines);
    encoder_close(&stream.body);
    return status;
}
