"""A receiver that speaks HTTP/2 over TLS, and does to each request what a test
says: python3-h2 on a RawReceiver."""

import contextlib
import socket
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from raw_receiver import RawReceiver


class Http2Receiver(RawReceiver):
    """`act(receiver, request)` returns what becomes of a request that has
    arrived whole:

    "answer"   200
    "hold"     nothing, until "answer-all" comes for a later one
    "refuse"   RST_STREAM with REFUSED_STREAM: it was not looked at
    "reset"    RST_STREAM with INTERNAL_ERROR
    "away"     GOAWAY that names no stream as seen, and closes
    "leave"    200, and GOAWAY behind it
    "break"    closes without a word
    """

    def __init__(self, act, context, streams=100):
        self._act = act
        self._streams = streams
        self.requests = []  # Requests, in the order of their coming.
        self.most_open = 0
        self.changed = threading.Condition()
        super().__init__(self._converse, tls=context)

    def _converse(self, connection, number):
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        state = h2.connection.H2Connection(config=config)
        state.local_settings.max_concurrent_streams = self._streams
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        _Conversation(self, connection, state, number).run()


class Request:
    def __init__(self, connection, headers):
        self.connection = connection  # Its number, from 1.
        self.headers = headers
        self.body = b""


class _Conversation:
    def __init__(self, receiver, connection, state, number):
        self.receiver = receiver
        self.connection = connection
        self.state = state
        self.number = number
        self.open = {}  # {stream: Request}
        self.held = []

    def run(self):
        with contextlib.suppress(h2.exceptions.ProtocolError):
            while data := self.connection.recv(65536):
                goes_on = all([self._take(e) for e in self.state.receive_data(data)])
                self.connection.sendall(self.state.data_to_send())
                if not goes_on:
                    return

    def _take(self, event):
        """False: the connection is to be closed."""
        if isinstance(event, h2.events.RequestReceived):
            self.open[event.stream_id] = Request(self.number, dict(event.headers))
            self.receiver.most_open = max(self.receiver.most_open, len(self.open))
        elif isinstance(event, h2.events.DataReceived):
            self.open[event.stream_id].body += event.data
            self.state.acknowledge_received_data(
                event.flow_controlled_length, event.stream_id
            )
        elif isinstance(event, h2.events.StreamReset):
            self.open.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded):
            return self._arrived(event.stream_id)
        return True

    def _arrived(self, stream):
        request = self.open[stream]
        receiver = self.receiver
        with receiver.changed:
            receiver.requests.append(request)
            receiver.changed.notify_all()
        action = receiver._act(receiver, request)
        if action == "hold":
            self.held.append(stream)
            return True
        if action == "break":
            return False
        if action == "away":
            self.state.close_connection(last_stream_id=0)
            self.connection.sendall(self.state.data_to_send())
            return False
        if action in ("refuse", "reset"):
            codes = h2.errors.ErrorCodes
            code = codes.REFUSED_STREAM if action == "refuse" else codes.INTERNAL_ERROR
            self.state.reset_stream(stream, code)
            self.open.pop(stream)
            return True
        for each in [stream, *(self.held if action == "answer-all" else [])]:
            self._answer(each)
        if action == "leave":
            self.state.close_connection()
            self.connection.sendall(self.state.data_to_send())
            # Closed with something unread, the answer would be lost.
            self.connection.shutdown(socket.SHUT_WR)
            while self.connection.recv(65536):
                pass
            return False
        return True

    def _answer(self, stream):
        self.state.send_headers(stream, [(":status", "200")], end_stream=True)
        self.open.pop(stream)
        if stream in self.held:
            self.held.remove(stream)
