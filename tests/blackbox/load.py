"""Writers that publish until told to stop and remember what was promised."""

import http.client
import json
import threading
import time


class Writers:
    """Each thread publishes numbered payloads one after the other. A 201 is a
    promise and goes to `promised`; anything else is tried no further: the
    next number follows, so that no payload is published twice by us."""

    def __init__(self, node, count, topic="orders"):
        self.node = node
        self.topic = topic
        self.promised = {}  # id: payload text
        self.refused = []  # (status, body) of clear refusals
        self.broken = 0  # No answer: maybe stored.
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=(number,), daemon=True)
            for number in range(count)
        ]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a writer hangs: its request has no end"

    def _write(self, writer):
        connection = None
        number = 0
        while not self._stop.is_set():
            number += 1
            payload = json.dumps({"writer": writer, "number": number})
            try:
                connection = connection or self.node.connect(timeout=30)
                self._publish(connection, payload)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = None
                with self._lock:
                    self.broken += 1
                time.sleep(0.02)

    def _publish(self, connection, payload):
        body = '{"topic":"%s","attributes":{},"payload":%s}' % (self.topic, payload)
        connection.request(
            "POST", "/api/messages", body, {"content-type": "application/json"}
        )
        response = connection.getresponse()
        answer = response.read()
        with self._lock:
            if response.status == 201:
                identity = json.loads(answer)["id"]
                assert identity not in self.promised, f"id {identity} given twice"
                self.promised[identity] = payload
            else:
                self.refused.append((response.status, answer))
