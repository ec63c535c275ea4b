/* path.h - paths of requests, with what people wrote escaped (RFC 3986).
 *
 * A path gathers in an encoder; encoder_text() hands it out.
 * Thread: any. */
#ifndef POSTOFFICE_CLI_PATH_H
#define POSTOFFICE_CLI_PATH_H

#include "base/codec.h"

/* before, the name escaped, after; either of the last two may be NULL. */
void path_add(struct encoder *path, const char *before, const char *name,
              const char *after);
/* The next parameter: ? or &, name=value, both escaped. */
void path_query(struct encoder *path, const char *name, const char *value);
#endif
