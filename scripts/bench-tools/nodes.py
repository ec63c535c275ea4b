"""The daemon under measurement: one node, or three on this machine."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOPIC = "bench"
MEMBERS = 3
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Node:
    """The daemon under measurement, on an empty data directory."""

    def __init__(self, binary, parent, flags):
        self.place = Path(tempfile.mkdtemp(prefix="postoffice-bench-", dir=parent))
        self.port = free_port()
        self.raft_port = free_port()
        self.log_path = self.place / "log"
        self.binary = binary
        self.flags = flags
        self.more = ()
        self.ending = False
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def start(self, *more):
        self.more = more
        return self.start_again()

    def start_again(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [
                    self.binary,
                    "serve",
                    f"--listen=127.0.0.1:{self.port}",
                    f"--raft-listen=127.0.0.1:{self.raft_port}",
                    f"--data-dir={self.place / 'data'}",
                    *self.more,
                    *self.flags,
                ],
                stdout=log,
                stderr=log,
            )
        return self

    def probe(self, path):
        """Whether this probe says yes now."""
        if self.process.poll() is not None:
            sys.exit(f"bench: the node does not start:\n{self.log_path.read_text()}")
        probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            probe.request("GET", path)
            return probe.getresponse().status == 200
        except OSError:
            return False
        finally:
            probe.close()

    def wait_probe(self, path):
        deadline = time.monotonic() + 30
        while not self.probe(path):
            if time.monotonic() > deadline:
                sys.exit(f"bench: the node is not ready:\n{self.log_path.read_text()}")
            time.sleep(0.05)

    def begin(self):
        """Waits until it takes messages, and makes the topic."""
        self.wait_probe("/readyz/write")
        self.post("/api/topics", {"name": TOPIC, "origin_host": "bench.invalid"})
        return self

    def _request(self, method, path, body=None):
        headers = {"content-type": "application/json"} if body else {}
        self.connection.request(method, path, body, headers)
        response = self.connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            sys.exit(f"bench: {method} {path}: {response.status} {answer[:500]}")
        return answer

    def post(self, path, body=None):
        body = json.dumps(body) if isinstance(body, dict) else body
        return json.loads(self._request("POST", path, body))

    def get(self, path):
        return json.loads(self._request("GET", path))

    def metric(self, name):
        for line in self._request("GET", "/metrics").decode().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        sys.exit(f"bench: no metric {name}")

    def cpu_seconds(self):
        """User and system time of the whole process so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def _memory_mib(self, kind):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split(kind)[1].split()[0]) / 1024

    def resident_mib(self):
        return self._memory_mib("VmRSS:")

    def anonymous_mib(self):
        """What is the process's own: neither files nor the store's map."""
        return self._memory_mib("RssAnon:")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.connection.close()

    def terminate(self):
        """Once: a second signal would cut the drain."""
        if not self.ending:
            self.ending = True
            self.process.terminate()

    def close(self):
        self.terminate()
        code = self.process.wait(60)
        if code != 0:
            last = self.log_path.read_text().splitlines()[-1:]
            print(f"bench: the node ended with {code}: {last}", file=sys.stderr)
        shutil.rmtree(self.place)


class Cluster:
    """Three nodes on this machine. What is asked is asked of the leader; what
    is used is the sum over all of them."""

    def __init__(self, binary, parent, flags):
        self.nodes = [Node(binary, parent, flags) for _ in range(MEMBERS)]
        members = ",".join(
            f"{number}=127.0.0.1:{node.raft_port}"
            for number, node in enumerate(self.nodes, 1)
        )
        for number, node in enumerate(self.nodes, 1):
            node.start(f"--node-id={number}", f"--initial-cluster={members}")
        for node in self.nodes:
            node.wait_probe("/readyz")
        self.leader = self.find_leader().begin()
        self.port = self.leader.port

    def find_leader(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for node in self.nodes:
                told = node.get("/api/cluster")["data"]
                if told["leader"] == told["node"] and node.probe("/readyz/write"):
                    return node
            time.sleep(0.05)
        sys.exit("bench: the nodes elect no leader")

    def check_leader(self):
        """Figures over a change of leaders would mean nothing."""
        if self.find_leader() is not self.leader:
            sys.exit("bench: the leader has changed during the run: measure again")

    def metric(self, name):
        return self.leader.metric(name)

    def cpu_seconds(self):
        return sum(node.cpu_seconds() for node in self.nodes)

    def resident_mib(self):
        return sum(node.resident_mib() for node in self.nodes)

    def close(self):
        for node in self.nodes:
            node.terminate()
        for node in self.nodes:
            node.close()
