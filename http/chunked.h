/* chunked.h - a body in chunks (RFC 9112, section 7.1), read to the letter.
 *
 *     5;name=value CRLF hello CRLF 0 CRLF trailer: line CRLF CRLF
 *
 * h2o's own decoder takes what looks alike: "5g" or "0x5" for a size, any
 * number of CRs or none before a LF, a LF within an extension. A proxy in
 * front that reads such a body otherwise sees other requests than we do
 * (smuggling). Here all that the grammar does not have is an error; extensions
 * and trailers are read over, as the RFC wants it.
 * No I/O. Thread: any. */
#ifndef POSTOFFICE_HTTP_CHUNKED_H
#define POSTOFFICE_HTTP_CHUNKED_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All zero is the beginning. As large as the one of h2o, in whose place it
 * is used: see dispatch.c. */
struct chunked {
    size_t left;     /* Bytes of the chunk that are still to come. */
    char h2o_option; /* Set by h2o, of no meaning here. */
    uint8_t state;
    uint16_t length; /* Of the line so far. */
};

enum { CHUNKED_BROKEN = -1, CHUNKED_UNFINISHED = -2 };

/* Decodes what has newly arrived, in place: *length becomes that of the part
 * of the body in it. Returns how many bytes stand behind it that belong to
 * what follows, or CHUNKED_UNFINISHED when all were used and more is to come,
 * or CHUNKED_BROKEN, after which it must not be called again. */
ssize_t chunked_decode(struct chunked *chunked, char *bytes, size_t *length);

#endif
