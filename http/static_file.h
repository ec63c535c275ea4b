/* static_file.h - files of ui/ that are part of the program, so that it works
 * with no other file.
 *
 * A file's answer carries an ETag of its content. A client that shows it again
 * (If-None-Match: RFC 9110, section 13.1.2) gets 304 and no body. */
#ifndef POSTOFFICE_HTTP_STATIC_FILE_H
#define POSTOFFICE_HTTP_STATIC_FILE_H

#include "http/request.h"

/* The assembler takes the bytes of a file in; it finds it by -I. Behind them
 * stands a NUL. CMakeLists.txt says which source depends on which file. */
#define STATIC_FILE(symbol, path)                                              \
    __asm__(".section .rodata\n"                                               \
            ".balign 16\n" #symbol "_start:\n"                                 \
            ".incbin \"" path "\"\n" #symbol "_end:\n"                         \
            ".byte 0\n"                                                        \
            ".previous\n");                                                    \
    extern const char symbol##_start[];                                        \
    extern const char symbol##_end[]

#define STATIC_FILE_BYTES(symbol)                                              \
    slice_of(symbol##_start, (size_t)(symbol##_end - symbol##_start))

/* Answers with the file, or with 304. Headers that both are to have are added
 * before. */
void static_file_send(struct request *request, struct slice file,
                      const char *type);

#endif
