/* public_id.h - the name of a message that is unique across clusters:
 * "msg_" and 26 characters of base32 (RFC 4648, lower case, no padding) over
 * the id space and the id, both big-endian. No index is needed to find it.
 * Thread: any. */
#ifndef POSTOFFICE_BASE_PUBLIC_ID_H
#define POSTOFFICE_BASE_PUBLIC_ID_H

#include "base/slice.h"

enum { PUBLIC_ID_LENGTH = 30, PUBLIC_ID_SIZE = 31 /* With the NUL. */ };

void public_id_format(char text[PUBLIC_ID_SIZE], uint64_t id_space,
                      uint64_t id);
/* False for anything that public_id_format() could not have made. */
bool public_id_parse(struct slice text, uint64_t *ret_id_space,
                     uint64_t *ret_id);

#endif
