/* bodies.h - what one body came to; begun anew by each read. */
#ifndef POSTOFFICE_TESTS_HTTP_BODIES_H
#define POSTOFFICE_TESTS_HTTP_BODIES_H

#include "http/request_body.h"

extern struct arena body_arena;
extern struct problem body_problem;

void body_begin(void);
/* "status field: text; field/element: text" */
void body_expect(const char *wanted);

#endif
