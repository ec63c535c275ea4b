/* The page at /, from files of ui/ that are part of the program: it works
 * with no other file and no internet. The page has one place that is filled
 * in, and nothing in it is a client's text. */
#include "http/resources.h"
#include "http/static_file.h"

#include <inttypes.h>
#include <stdio.h>

STATIC_FILE(page_html, "ui/index.html");
STATIC_FILE(page_css, "ui/page.css");

static const char place[] = "{{health}}";

/* What a browser may do with the page: show it, with its own style. */
static void confine(struct request *request)
{
    request_header(request, "content-security-policy",
                   slice_text("default-src 'none'; style-src 'self'; "
                              "base-uri 'none'; form-action 'none'; "
                              "frame-ancestors 'none'"));
    request_header(request, "referrer-policy", slice_text("no-referrer"));
}

/* One line for people. */
static void write_health(struct encoder *out,
                         const struct backend_status *status)
{
    const char *words = "This node is well: it takes messages.";
    const char *reason = NULL;
    if (!status->live) {
        words = "This node is broken";
        reason = status->live_reason;
    } else if (!status->ready) {
        words = "This node is not ready";
        reason = status->ready_reason;
    } else if (!status->writable) {
        words = "This node takes no messages now";
        reason = status->writable_reason;
    }
    bool well = status->live && status->ready && status->writable;
    encoder_bytes(
        out, slice_text(well ? "<p class=\"well\">" : "<p class=\"unwell\">"));
    encoder_bytes(out, slice_text(words));
    if (reason != NULL) {
        encoder_bytes(out, slice_text(": "));
        encoder_bytes(out, slice_text(reason));
    }
    char rest[128];
    int length = snprintf(rest, sizeof rest,
                          " Node %" PRIu32 ", term %" PRIu64 ", %s.</p>",
                          status->node_id, status->term,
                          status->leader ? "leading" : "not leading");
    encoder_bytes(out, slice_of(rest, (size_t)length));
}

void page_get(struct request *request)
{
    const struct backend *backend = request_backend(request);
    struct backend_status status = {0};
    backend->status(backend->context, &status);
    const char *found = strstr(page_html_start, place);
    const char *rest = page_html_start;
    if (found != NULL) {
        encoder_bytes(&request->answer, slice_of(rest, (size_t)(found - rest)));
        write_health(&request->answer, &status);
        rest = found + sizeof place - 1;
    }
    encoder_bytes(&request->answer,
                  slice_of(rest, (size_t)(page_html_end - rest)));
    confine(request);
    request_header(request, "x-content-type-options", slice_text("nosniff"));
    request_header(request, "cache-control", slice_text("no-cache"));
    request_send(request, 200, "text/html; charset=utf-8");
}

void page_style(struct request *request)
{
    confine(request);
    static_file_send(request, STATIC_FILE_BYTES(page_css),
                     "text/css; charset=utf-8");
}
