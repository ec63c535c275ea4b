"""A name server that a test commands, and a node that asks it.

The node runs in a mount namespace of its own in which another file lies over
/etc/resolv.conf, so that nothing of the machine is touched; that needs root.
"""

import itertools
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

from node import Node
from place import PLACE

OVERLAY = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
TYPE_A = 1
_hosts = itertools.count(2)


class NameServer:
    """`addresses`: {name: [IPv4 addresses]}; an empty list is a name without
    one, a name that is not there does not exist, and one that begins with
    "hang" is never answered, as nothing is while `silent`."""

    def __init__(self, addresses=None, ttl=1):
        self.addresses = dict(addresses or {})
        self.ttl = ttl
        self.silent = False
        self.asked = []  # Names, in the order of their questions.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.host = f"127.53.{PLACE}.{next(_hosts)}"
        self._socket.bind((self.host, 53))
        self._closing = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._file = Path(tempfile.mkstemp(prefix="postoffice-resolv-")[1])
        self._file.write_text(f"nameserver {self.host}\n")
        self._file.chmod(0o644)

    def close(self):
        self._closing = True
        wake = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        wake.sendto(b"", (self.host, 53))  # A close alone wakes no reader.
        wake.close()
        self._thread.join()
        self._socket.close()
        self._file.unlink()

    def make(self, *flags, **options):
        """A node that asks this server; to be started."""
        return Node(
            *flags,
            prefix=["unshare", "--mount", "sh", "-c", OVERLAY, str(self._file)],
            **options,
        )

    def _serve(self):
        while True:
            question, sender = self._socket.recvfrom(4096)
            if self._closing:
                return
            answer = self._answer(question)
            if answer is not None:
                self._socket.sendto(answer, sender)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1 : at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        (kind,) = struct.unpack_from(">H", question, at + 1)
        name = ".".join(labels)
        self.asked.append(name)
        if self.silent or name.startswith("hang"):
            return None
        found = self.addresses.get(name)
        records = [
            struct.pack(">HHHIH", 0xC00C, TYPE_A, 1, self.ttl, 4) + socket.inet_aton(each)
            for each in (found or [])
            if kind == TYPE_A
        ]
        flags = 0x8180 if found is not None else 0x8183  # NXDOMAIN
        head = question[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
        return head + question[12 : at + 5] + b"".join(records)


def why_not():
    """Why this machine does not let us, or None."""
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", OVERLAY, "/dev/null", "true"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return None if done.returncode == 0 else done.stderr.strip()
