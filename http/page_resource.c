/* The page at /, from files of ui/ that are part of the program: it works
 * with no other file and no internet. The page has one place that is filled
 * in, and nothing in it is a client's text. */
#include "http/resources.h"
#include "http/static_file.h"

#include <inttypes.h>

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

static const char *judge(const struct backend_status *status,
                         const char **ret_reason)
{
    *ret_reason = status->live_reason;
    if (!status->live)
        return "is broken";
    *ret_reason = status->ready_reason;
    if (!status->ready)
        return "is not ready";
    *ret_reason = status->writable_reason;
    if (!status->writable)
        return "takes no messages now";
    *ret_reason = "it takes messages";
    return "is well";
}

/* One line for people. A reason may be a sentence that ends itself. */
static void write_health(struct encoder *out,
                         const struct backend_status *status)
{
    bool well = status->live && status->ready && status->writable;
    const char *reason;
    const char *words = judge(status, &reason);
    encoder_print(out,
                  "<p class=\"%s\">Node %" PRIu32 " (term %" PRIu64 ", %s) ",
                  well ? "well" : "unwell", status->node_id, status->term,
                  status->leader ? "leading" : "not leading");
    encoder_bytes(out, slice_text(words));
    if (reason != NULL) {
        encoder_bytes(out, slice_text(": "));
        encoder_bytes(out, slice_text(reason));
    }
    bool ended = reason != NULL && reason[0] != '\0' &&
                 reason[strlen(reason) - 1] == '.';
    encoder_bytes(out, slice_text(ended ? "</p>" : ".</p>"));
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
