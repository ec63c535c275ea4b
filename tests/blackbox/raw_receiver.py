"""A receiver on plain sockets: it takes each connection, reads requests if it
likes, and then does byte for byte what a test wants."""

import contextlib
import socket
import threading


def read_request(stream):
    """One request: its head as one lower-case text, and its body. None: the
    connection was closed."""
    lines = []
    while (line := stream.readline().strip()) != b"":
        lines.append(line.decode().lower())
    if not lines:
        return None
    length = next(
        int(line.split(":")[1]) for line in lines if line.startswith("content-length:")
    )
    return "\n".join(lines), stream.read(length)


class RawReceiver:
    """`serve(connection, number)` gets each connection with its number, from
    1; it is closed when that returns. With `tls`, an SSLContext, behind a
    handshake."""

    def __init__(self, serve, *, tls=None, host="127.0.0.1"):
        self._serve = serve
        self._tls = tls
        self._listener = socket.create_server((host, 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://localhost:{self.port}/raw"
        self.connections = 0
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(
                target=self._run, args=(connection, self.connections), daemon=True
            ).start()

    def _run(self, connection, number):
        self._open.add(connection)
        # A sender that gives up in the middle is no news.
        with contextlib.suppress(OSError), connection:
            if self._tls is None:
                self._serve(connection, number)
            else:
                with self._tls.wrap_socket(connection, server_side=True) as secure:
                    self._serve(secure, number)
        self._open.discard(connection)

    def close(self):
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def answers(data):
    """Answers each connection's first request with these bytes and closes."""

    def serve(connection, _number):
        with connection.makefile("rb") as stream:
            if read_request(stream) is not None:
                connection.sendall(data)

    return serve
