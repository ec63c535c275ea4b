"""What the connections to targets do: kept alive, broken, closed at rest."""

from node import wait_until
from raw_receiver import RawReceiver, read_request


class Scripted(RawReceiver):
    """Answers request by request: `script(connection, request)` gets the
    number of the connection and of the request on it, from 1, and returns
    "answer", "answer-close" or "break" (close without a word)."""

    def __init__(self, script):
        self.script = script
        self.requests = []  # (connection, headers as one lower-case text)
        super().__init__(self._converse)

    def _converse(self, connection, number):
        with connection.makefile("rb") as stream:
            count = 0
            while (request := read_request(stream)) is not None:
                count += 1
                self.requests.append((number, request[0]))
                action = self.script(number, count)
                if action == "break":
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                if action == "answer-close":
                    return


def test_connection_is_kept_alive(node):
    receiver = Scripted(lambda connection, request: "answer")
    node.topic()
    publisher = node.publisher(receiver.url, max_in_flight=1)["id"]
    node.publish_many(range(30))
    node.wait_backlog(publisher)
    assert {connection for connection, _ in receiver.requests} == {1}
    assert len(receiver.requests) == 30
    receiver.close()


def test_broken_connection_is_one_attempt(node):
    """A request on a reused connection that breaks without an answer may have
    been taken: it is never repeated under the same number."""
    receiver = Scripted(
        lambda connection, request: "break"
        if (connection, request) == (1, 2)
        else "answer"
    )
    node.topic()
    publisher = node.publisher(receiver.url, max_in_flight=1, seconds_retry=1)["id"]
    node.publish("one")
    node.wait_backlog(publisher)
    made = node.publish("two")
    node.wait_backlog(publisher)
    tries = [
        line
        for _, headers in receiver.requests
        if f"webhook-id: {made['public_id']}" in headers
        for line in headers.split("\n")
        if line.startswith("postoffice-attempt:")
    ]
    assert tries == ["postoffice-attempt: 1", "postoffice-attempt: 2"]
    [delivery] = node.message(made["id"])["deliveries"]
    assert delivery["attempts"] == 2
    assert delivery["history"][0]["class"] == "protocol"
    assert delivery["history"][0]["status"] is None
    receiver.close()


def test_connection_closed_at_rest_costs_no_attempt(node):
    """Servers close idle connections: the next message takes a new one."""
    receiver = Scripted(lambda connection, request: "answer-close")
    node.topic()
    publisher = node.publisher(receiver.url, max_in_flight=1)["id"]
    for number in range(5):
        made = node.publish(number)
        node.wait_backlog(publisher)
        wait_until(
            lambda: node.message(made["id"])["state"] == "delivered", "delivered"
        )
    assert len(receiver.requests) == 5
    assert all("postoffice-attempt: 1" in headers for _, headers in receiver.requests)
    receiver.close()
