"""What publishers were told and what receivers saw, and whether both agree.

    promised   201: synced on a majority; must arrive, as it was
    unknown    504, or no answer: may arrive, but once
    refused    429, 503, 507, or no connection: certainly not stored, so that
               it must never arrive

A payload is published once only, so that it names its request: whatever
arrives under two ids, or was refused, is a broken promise.
"""

import threading
import time


class History:
    def __init__(self):
        self.promised = {}  # id: payload
        self.unknown = {}  # payload: what came instead of an answer
        self.refused = {}  # payload: what came
        self.times = []  # Of the promises.
        self._lock = threading.Lock()

    def promise(self, identity, payload):
        with self._lock:
            assert identity not in self.promised, f"id {identity} given twice"
            self.promised[identity] = payload
            self.times.append(time.monotonic())

    def lose(self, payload, what):
        with self._lock:
            self.unknown[payload] = what

    def refuse(self, payload, what):
        with self._lock:
            self.refused[payload] = what

    def failures(self):
        """What a client that does not send again would have noticed."""
        with self._lock:
            return [*self.unknown.values(), *self.refused.values()]

    def count(self):
        with self._lock:
            return len(self.promised)

    def longest_gap(self):
        """Seconds between one promise and the next, of all publishers."""
        with self._lock:
            times = sorted(self.times)
        return max((b - a for a, b in zip(times, times[1:])), default=0.0)

    # ---- The verdict ----

    def check(self, receiver, doubts=0, in_flight=0):
        """`doubts`: how many leaders were lost with deliveries under way; each
        may leave as many in doubt as the publisher has in flight."""
        receiver.wait_messages(self.promised)
        requests = receiver.arrived()
        self._check_once(requests, doubts * in_flight)
        self._check_bodies(requests)

    def _check_once(self, requests, marks):
        seen = set()
        marked = []
        for request in requests:
            if request.marked:
                marked.append(request.message_id)
            else:
                assert request.message_id not in seen, (
                    f"message {request.message_id} came again without a mark "
                    f"(attempt {request.attempt})"
                )
            seen.add(request.message_id)
        assert len(marked) <= marks, f"{len(marked)} marked, at most {marks}: {marked}"

    def _check_bodies(self, requests):
        identities = {payload: number for number, payload in self.promised.items()}
        for request in requests:
            body = request.body.decode()
            expected = self.promised.get(request.message_id)
            assert expected is None or body == expected, request
            assert body not in self.refused, (
                f"{body} arrived, but its publisher was told {self.refused[body]}"
            )
            known = identities.setdefault(body, request.message_id)
            assert known == request.message_id, (
                f"{body} was stored twice: as {known} and {request.message_id}"
            )
            assert expected is not None or body in self.unknown, (
                f"{body} arrived as message {request.message_id}, "
                "which nobody has published"
            )

    def check_stored(self, nodes, step=40):
        """A spread of what was promised is what every node answers."""
        identities = sorted(self.promised)
        chosen = identities[:: max(1, len(identities) // step)] + identities[-1:]
        for node in nodes:
            for identity in chosen:
                answer = node.get(f"/api/messages/{identity}", quiet=True)
                assert answer.status == 200, (identity, answer)
                stored = answer.body.decode()
                assert f'"payload":{self.promised[identity]}' in stored, stored
