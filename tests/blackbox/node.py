"""A real node: the binary as a process, and its API as seen by a client.

A Node owns a data directory and two ports and keeps them over restarts. It
remembers the last requests and collects the log, so that a failed test can
show what a person needs.
"""

import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from place import PLACE, PLACES

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("POSTOFFICE_BINARY", ROOT / "build" / "postoffice"))
# Sanitizers change what memory and time mean; the few checks of those ask.
SANITIZED = os.environ.get("POSTOFFICE_SANITIZED") == "1"
# Long enough for a loaded machine; a test that waits this long has failed.
PATIENCE = 60.0
SANITIZER_SIGNS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "runtime error:",
    "WARNING: ThreadSanitizer",
)

# Ports of this process alone, below the range that the kernel takes for
# outgoing connections, so that one stays free while its node is down.
_PORTS = 22_000 // PLACES
_ports = itertools.cycle(range(10_000 + PLACE * _PORTS, 10_000 + (PLACE + 1) * _PORTS))


def free_port():
    """A port that nobody listens on, and that no other test process takes."""
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def environment():
    """Ours without settings of the daemon, which a person may have set."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("POSTOFFICE_")
    }
    clean.setdefault("ASAN_OPTIONS", "exitcode=99:detect_leaks=1")
    clean.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:exitcode=99")
    return clean


def run_program(*arguments, stdin="", env=None, timeout=PATIENCE):
    """The binary run to its end: a subprocess.CompletedProcess of text."""
    return subprocess.run(
        [BINARY, *map(str, arguments)],
        input=stdin,
        env={**environment(), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def wait_until(condition, what, timeout=PATIENCE):
    """Polls until condition() is true and returns what it gave."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain until {what}")
        time.sleep(0.02)


class Answer:
    """An HTTP answer, read whole."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def errors(self):
        """The original's error member: {field: [texts]}."""
        return self.json()["data"]["errors"]

    def __repr__(self):
        return f"<{self.status} {self.body[:2000]!r}>"


class Node:
    def __init__(
        self, *flags, directory=None, host="127.0.0.1", prefix=(), tls=None
    ):
        """`prefix`: what the command line begins with, such as `env`. `tls`: an
        ssl.SSLContext of a client, when the flags make it serve with TLS."""
        self.flags = list(flags)
        self.host = host
        self.prefix = list(prefix)
        self._owned = None
        if directory is None:
            self._owned = Path(tempfile.mkdtemp(prefix="postoffice-"))
            directory = self._owned / "data"
        self.directory = Path(directory)
        self.port = free_port()
        self.raft_port = free_port()
        self.tls = tls
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"
        self.log_path = Path(tempfile.mkstemp(prefix="postoffice-", suffix=".log")[1])
        self.requests = []
        self._story = None
        self.process = None
        self.token = None  # Shown with every request that has none of its own.

    # ---- The process ----

    def command(self):
        return [
            *self.prefix,
            str(BINARY),
            "serve",
            f"--listen={self.host}:{self.port}",
            f"--raft-listen={self.host}:{self.raft_port}",
            f"--data-dir={self.directory}",
            "--log-format=text",
            "--drain-seconds=2",
            *self.flags,
        ]

    def start(self, *, wait=True):
        assert self.process is None, "already started"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
            )
        if wait:
            wait_until(self.ready, "the node is ready")
        return self

    def ready(self):
        code = self.process.poll()
        assert code is None, f"the node exited with {code} while starting"
        try:
            return self.request("GET", "/readyz", quiet=True).status == 200
        except OSError:
            return False
        except http.client.HTTPException:
            return False

    def wait_exit(self, timeout=PATIENCE):
        code = self.process.wait(timeout)
        self.process = None
        return code

    def terminate(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Asks it to end and returns its exit code."""
        self.terminate()
        return self.wait_exit()

    def kill(self):
        self.process.kill()
        self.wait_exit()

    def close(self):
        """Ends it as a good node ends, checks that it did, and cleans up."""
        try:
            if self.process is not None:
                code = self.stop()
                assert code == 0, f"the node ended with {code} on SIGTERM"
            self.check_sanitizers()
        finally:
            if self.process is not None:
                self.kill()

    def remove(self):
        self._story = self.story()
        self.log_path.unlink(missing_ok=True)
        if self._owned is not None and "POSTOFFICE_KEEP" not in os.environ:
            shutil.rmtree(self._owned, ignore_errors=True)

    def check_sanitizers(self):
        log = self.log()
        for sign in SANITIZER_SIGNS:
            assert sign not in log, f"the sanitizer spoke: {sign}"

    def resident_kib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS in /proc")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def story(self):
        """What a person needs after a failure; also once the log is gone."""
        if self._story is not None:
            return self._story
        lines = self.log().splitlines()
        return "\n".join(
            [f"last {min(len(lines), 40)} of {len(lines)} log lines:", *lines[-40:]]
            + ["last requests:", *self.requests[-12:]]
        )

    # ---- Its API ----

    def connect(self, timeout=PATIENCE):
        if self.tls is not None:
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=timeout, context=self.tls
            )
        return http.client.HTTPConnection(self.host, self.port, timeout=timeout)

    def request(
        self, method, path, body=None, headers=None, *, connection=None, quiet=False
    ):
        """One request. A body that is neither bytes nor text becomes JSON."""
        headers = dict(headers or {})
        if self.token is not None:
            headers.setdefault("authorization", f"Bearer {self.token}")
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            headers.setdefault("content-type", "application/json")
        own = connection is None
        if own:
            connection = self.connect()
        answer = None
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
            return answer
        finally:
            if own:
                connection.close()
            if not quiet:
                sent = (body or b"")[:300]
                self.requests.append(f"{method} {path} {sent!r} -> {answer}")
                del self.requests[:-100]

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, headers=None, **options):
        return self.request("POST", path, body, headers, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    # ---- What most tests begin with; each asserts that it worked ----

    def topic(self, name="orders", **more):
        answer = self.post(
            "/api/topics", {"name": name, "origin_host": "example.com", **more}
        )
        assert answer.status == 201, answer
        return answer.json()["data"]

    def publisher(self, target, topic="orders", **more):
        answer = self.post(
            "/api/publishers",
            {
                "topic": topic,
                "target": target,
                "type": "http",
                "active": True,
                "seconds_retry": 1,
                "retry_max_seconds": 1,
                **more,
            },
        )
        assert answer.status == 201, answer
        return answer.json()["data"]

    def publish(self, payload, topic="orders", attributes=None, **options):
        answer = self.post(
            "/api/messages",
            {"topic": topic, "payload": payload, "attributes": attributes or {}},
            **options,
        )
        assert answer.status == 201, answer
        return answer.json()

    def publish_keyed(self, payload, key, topic="orders"):
        """With an ordering key; returns the id."""
        answer = self.post(
            "/api/messages",
            {"topic": topic, "payload": payload, "attributes": {}, "key": key},
        )
        assert answer.status == 201, answer
        return answer.json()["id"]

    def publish_many(self, payloads, topic="orders"):
        answer = self.post(
            "/api/bulk_messages",
            {"topic": topic, "payload": list(payloads), "attributes": {}},
        )
        assert answer.status == 201, answer
        return answer.json()["result"]

    def message(self, identity):
        answer = self.get(f"/api/messages/{identity}")
        assert answer.status == 200, answer
        return answer.json()["data"]

    def publisher_state(self, identity):
        answer = self.get(f"/api/publishers/{identity}")
        assert answer.status == 200, answer
        return answer.json()["data"]

    def wait_backlog(self, identity, backlog=0):
        wait_until(
            lambda: self.publisher_state(identity)["backlog"] == backlog,
            f"publisher {identity} has a backlog of {backlog}",
        )

    def wait_state(self, identity, state):
        """Waits until the message is in this state; returns it."""
        return wait_until(
            lambda: (found := self.message(identity))["state"] == state and found,
            f"message {identity} is {state}",
        )
