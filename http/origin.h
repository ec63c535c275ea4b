/* origin.h - whether a web page of somebody else is behind a request.
 *
 * A browser lets any page send a request to any address, also to a node on the
 * loopback of the one who looks at that page, and a node that needs no token
 * would carry it out. Two headers that a page cannot choose give it away:
 *
 * - Origin (RFC 6454, section 7), which a browser adds to what changes
 *   something: another site than Host is refused, with or without a token.
 *   Programs do not send it.
 * - Host, where a node on loopback needs no token: a name of the page's own
 *   site that was made to lead to loopback (DNS rebinding) is refused. Reading
 *   is, too: for the browser the page and the node are one site then.
 *
 * Thread: the loop. */
#ifndef POSTOFFICE_HTTP_ORIGIN_H
#define POSTOFFICE_HTTP_ORIGIN_H

#include "http/request.h"

/* Of a request whose caller is known. False: it has been refused, 403. */
bool origin_admit(struct request *request);

#endif
