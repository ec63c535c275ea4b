/* timestamp.h - times as clients write them: RFC 3339, or the original's
 * `YYYY-MM-DD hh:mm:ss[.ffffff]`, which is UTC. Thread: any. */
#ifndef POSTOFFICE_HTTP_TIMESTAMP_H
#define POSTOFFICE_HTTP_TIMESTAMP_H

#include "base/slice.h"

enum { TIMESTAMP_LENGTH_MAX = 48 };

/* Milliseconds since the Unix epoch, of years from 1970 on; what is finer is
 * rounded up, so that nothing happens too early. False: it is no such time. */
bool timestamp_parse(struct slice text, uint64_t *ret_ms);

#endif
