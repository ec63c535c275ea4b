"""Three members of etcd on this machine, to compare with.

Debian's etcd-server, from PATH or, since it is needed for nothing else, fetched
by apt and unpacked into a temporary directory: it is not installed, and no
service is started. Its settings are its defaults, so that every put is synced
on a majority before it is answered, as with us.
"""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEMBERS = 3
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def program(place):
    """Where the program is; fetched if need be."""
    found = shutil.which("etcd")
    if found:
        return found
    print("bench: fetching Debian's etcd-server", file=sys.stderr)
    place.chmod(0o755)  # apt's own user writes there, if it may.
    command = ["apt-get", "-q", "download", "etcd-server"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    packages = list(place.glob("etcd-server_*.deb"))
    if done.returncode != 0 or not packages:
        sys.exit(f"bench: etcd-server cannot be fetched: {done.stderr.strip()}")
    subprocess.run(["dpkg-deb", "-x", packages[0], place], check=True)
    return place / "usr" / "bin" / "etcd"


class Etcd:
    def __init__(self, parent, free_port):
        self.place = Path(tempfile.mkdtemp(prefix="postoffice-bench-etcd-", dir=parent))
        self.clients = [free_port() for _ in range(MEMBERS)]
        peers = [f"http://127.0.0.1:{free_port()}" for _ in range(MEMBERS)]
        members = ",".join(f"m{number}={url}" for number, url in enumerate(peers))
        binary = program(self.place)
        self.processes = []
        for number, peer in enumerate(peers):
            client = f"http://127.0.0.1:{self.clients[number]}"
            with open(self.place / f"log{number}", "wb") as log:
                self.processes.append(
                    subprocess.Popen(
                        [
                            binary,
                            f"--name=m{number}",
                            f"--data-dir={self.place / f'data{number}'}",
                            f"--listen-client-urls={client}",
                            f"--advertise-client-urls={client}",
                            f"--listen-peer-urls={peer}",
                            f"--initial-advertise-peer-urls={peer}",
                            f"--initial-cluster={members}",
                            "--logger=zap",
                            "--log-level=error",
                        ],
                        stdout=log,
                        stderr=log,
                    )
                )
        self.port = self._leader()

    def _status(self, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/v3/maintenance/status", "{}")
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException):
            return {}
        finally:
            connection.close()

    def _leader(self):
        """The port of the member that leads."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for port in self.clients:
                status = self._status(port)
                leader = status.get("leader")
                if leader and leader == status["header"]["member_id"]:
                    return port
            time.sleep(0.1)
        sys.exit(f"bench: etcd elects no leader:\n{(self.place / 'log0').read_text()}")

    def revision(self):
        """It grows by one with each put."""
        return int(self._status(self.port)["header"]["revision"])

    def cpu_seconds(self):
        total = 0
        for process in self.processes:
            stat = Path(f"/proc/{process.pid}/stat").read_text()
            fields = stat.rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS_PER_SECOND

    def resident_mib(self):
        total = 0
        for process in self.processes:
            status = Path(f"/proc/{process.pid}/status").read_text()
            total += int(status.split("VmRSS:")[1].split()[0])
        return total / 1024

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.place)
