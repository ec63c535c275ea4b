"""A real HTTP receiver that does as it is told and remembers what it got.

Its behaviour is a function from a request to a Reply; the ready-made ones
cover what tests need. It can go down (its port is closed, so that connections
are refused) and come up again on the same port.
"""

import collections
import socket
import socketserver
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from node import PATIENCE, free_port


@dataclass
class Reply:
    status: int = 200
    headers: dict = field(default_factory=dict)
    body: bytes = b""
    after_seconds: float = 0.0
    hang: bool = False  # Never answers; until release() or down().


@dataclass
class Request:
    """What arrived. Header names compare in any case."""

    time: float
    method: str
    path: str
    headers: object
    body: bytes
    sender: str = ""  # Its IP address.

    @property
    def message_id(self):
        return int(self.headers["message-id"])

    @property
    def attempt(self):
        return int(self.headers["postoffice-attempt"])

    @property
    def marked(self):
        return self.headers["postoffice-maybe-duplicate"] == "true"


def ok(_request):
    return Reply()


def fail(status=500, **more):
    return lambda _request: Reply(status, **more)


def hang(_request):
    return Reply(hang=True)


def slow(seconds):
    return lambda _request: Reply(after_seconds=seconds)


def fail_first(count, status=500):
    """Fails the first `count` attempts of each message."""
    return lambda request: Reply(status if request.attempt <= count else 200)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # A sender that was killed is no news.


class Receiver:
    def __init__(self, behaviour=ok, host="127.0.0.1"):
        self.behaviour = behaviour
        self.host = host
        self.port = free_port()
        self.url = f"http://{host}:{self.port}/hook"
        self.requests = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.connections = 0
        self._changed = threading.Condition()
        self._sockets = set()
        self._released = threading.Event()
        self._server = None

    # ---- Up and down ----

    def up(self):
        receiver = self

        class Handler(_Handler):
            owner = receiver

        self._released = threading.Event()
        self._server = _Server((self.host, self.port), Handler)
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        ).start()
        return self

    def down(self):
        """Refuses connections from now on and cuts those there are."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._server = None
        self.release()
        with self._changed:
            sockets = list(self._sockets)
        for connection in sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def release(self):
        """Lets hanging requests end, without an answer."""
        self._released.set()

    # ---- What arrived ----

    def arrived(self):
        with self._changed:
            return list(self.requests)

    def wait_requests(self, count, timeout=PATIENCE):
        """Waits for so many requests in all and returns them in order."""
        self.wait_for(lambda requests: len(requests) >= count, f"{count} requests", timeout)
        return self.arrived()

    def wait_messages(self, identities, timeout=PATIENCE):
        """Waits until each of these messages has arrived at least once."""
        wanted = set(identities)

        def all_there(requests):
            # Counted down, so that long waits do not scan all each time.
            while all_there.seen < len(requests):
                wanted.discard(requests[all_there.seen].message_id)
                all_there.seen += 1
            return not wanted

        all_there.seen = 0
        self.wait_for(all_there, f"{len(wanted)} messages", timeout)

    def wait_for(self, condition, what, timeout=PATIENCE):
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self.requests), timeout):
                raise AssertionError(
                    f"waited {timeout:.0f} s in vain for {what}; "
                    f"{len(self.requests)} requests had arrived"
                )

    def counts(self):
        """How often each message arrived."""
        return collections.Counter(request.message_id for request in self.arrived())

    def is_connected_from(self, address):
        """Whether this IP address has a connection, be it a silent one."""
        with self._changed:
            return any(
                connection.getpeername()[0] == address for connection in self._sockets
            )

    # ---- Called by the handler's threads ----

    def begin(self, request):
        with self._changed:
            self.requests.append(request)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._changed.notify_all()

    def end(self):
        with self._changed:
            self.in_flight -= 1

    def opened(self, connection):
        with self._changed:
            self.connections += 1
            self._sockets.add(connection)

    def closed(self, connection):
        with self._changed:
            self._sockets.discard(connection)


class _Handler(BaseHTTPRequestHandler):
    owner = None
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # An answer is one write.
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.owner.opened(self.request)

    def finish(self):
        self.owner.closed(self.request)
        super().finish()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        request = Request(
            time.monotonic(),
            self.command,
            self.path,
            self.headers,
            body,
            self.client_address[0],
        )
        released = self.owner._released
        self.owner.begin(request)
        try:
            reply = self.owner.behaviour(request)
            if reply.hang:
                released.wait()
                self.close_connection = True
                return
            if reply.after_seconds:
                released.wait(reply.after_seconds)
        finally:
            self.owner.end()
        self.answer(reply)

    def answer(self, reply):
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def log_message(self, *_arguments):
        pass
