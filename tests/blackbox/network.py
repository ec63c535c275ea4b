"""A network of its own: one namespace for each node, a switch between them,
and this process plugged in as one more host.

    namespace n1     namespace n2     namespace n3       this process
     198.18.X.1       198.18.X.2       198.18.X.3        198.18.X.254
         |                |                |                  |
         +------------ bridge in a namespace of its own ------+

Each namespace drops by nftables what comes from the addresses in its set, so
that a line can be cut in one direction alone, and nothing of the machine's own
network is touched. What a test makes goes with Network.close().
"""

import os
import shutil
import subprocess

from node import Node
from place import PLACE

HERE = 254
RULES = """
table inet cut {
    set silenced { type ipv4_addr; }
    chain input {
        type filter hook input priority 0; policy accept;
        ip saddr @silenced drop
    }
}
"""


class Refused(Exception):
    """This machine does not let us; the reason is in its words."""


def run(*command, stdin=None):
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise Refused(f"{' '.join(command)}: {words[0] if words else done.returncode}")
    return done.stdout


class Network:
    def __init__(self, hosts=3):
        for program in ("ip", "nft"):
            if shutil.which(program) is None:
                raise Refused(f"{program} is not installed")
        self._tag = f"po{os.getpid()}"
        self._subnet = f"198.18.{PLACE}"
        self._switch = f"{self._tag}-switch"
        self._plug = f"{self._tag}x"  # The name of an interface: 15 letters.
        self._made = []
        self.hosts = list(range(1, hosts + 1))
        try:
            self._build()
        except Refused:
            self.close()
            raise

    def address(self, host):
        return f"{self._subnet}.{host}"

    def namespace(self, host):
        return f"{self._tag}-n{host}"

    # ---- Cutting ----

    def deafen(self, host, *others):
        """Nothing from the others reaches this host any more."""
        addresses = ", ".join(self.address(other) for other in others)
        self._nft(host, f"add element inet cut silenced {{ {addresses} }}")

    def part(self, one_side, other_side):
        """Nothing goes from one side to the other, either way."""
        for host in one_side:
            self.deafen(host, *other_side)
        for host in other_side:
            self.deafen(host, *one_side)

    def heal(self):
        for host in self.hosts:
            self._nft(host, "flush set inet cut silenced")

    # ---- Making and removing ----

    def _nft(self, host, rules):
        run("ip", "netns", "exec", self.namespace(host), "nft", "-f", "-", stdin=rules + "\n")

    def _add(self, namespace):
        run("ip", "netns", "add", namespace)
        self._made.append(namespace)

    def _build(self):
        switch = self._switch
        self._add(switch)
        lines = ["link add br0 type bridge", "link set br0 up"]
        run("ip", "-n", switch, "-batch", "-", stdin="\n".join(lines) + "\n")
        self._plug_in(None, self._plug, HERE)
        for host in self.hosts:
            self._add(self.namespace(host))
            self._plug_in(self.namespace(host), "eth0", host)
            self._nft(host, RULES)

    def _plug_in(self, namespace, interface, host):
        """A cable from the switch to this namespace, or to our own."""
        end = ["netns", namespace] if namespace else ["netns", str(os.getpid())]
        run(
            "ip", "-n", self._switch, "link", "add", f"port{host}", "type", "veth",
            "peer", "name", interface, *end,
        )  # fmt: skip
        lines = [f"link set port{host} master br0", f"link set port{host} up"]
        run("ip", "-n", self._switch, "-batch", "-", stdin="\n".join(lines) + "\n")
        lines = [
            "link set lo up" if namespace else "",
            f"address add {self.address(host)}/24 dev {interface}",
            f"link set {interface} up",
        ]
        where = ["-n", namespace] if namespace else []
        run("ip", *where, "-batch", "-", stdin="\n".join(lines) + "\n")

    def close(self):
        """A namespace that goes takes its interfaces and their other ends."""
        for namespace in self._made:
            subprocess.run(["ip", "netns", "del", namespace], check=False)
        self._made = []

    # ---- Nodes ----

    def node(self, secret):
        """For Cluster(make=...): a node that lives in the namespace of its
        number. No loopback: it needs a secret and no tokens."""

        def make(number, *flags):
            return Node(
                "--insecure-no-auth",
                f"--cluster-secret-file={secret}",
                *flags,
                host=self.address(number),
                prefix=["ip", "netns", "exec", self.namespace(number)],
            )

        return make
