"""The binary on a terminal: run on a pty of a given size, and what it wrote."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

from node import BINARY, PATIENCE, environment

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """A command whose standard output and error are a terminal."""

    def __init__(self, *arguments, columns=80, env=None, stdin=subprocess.DEVNULL):
        self._master, slave = pty.openpty()
        fcntl.ioctl(
            slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0)
        )
        self.process = subprocess.Popen(
            [BINARY, *map(str, arguments)],
            stdin=stdin,
            stdout=slave,
            stderr=slave,
            env={**environment(), "TERM": "xterm", "NO_COLOR": "", **(env or {})},
        )
        os.close(slave)
        self.written = b""

    def _read(self, seconds):
        """Takes what comes within this time; false at the end."""
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return True
        try:
            chunk = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the other end any more.
            return False
        self.written += chunk
        return bool(chunk)

    def text(self):
        return self.written.decode().replace("\r\n", "\n")

    def wait_for(self, condition, what):
        """Reads until condition(text) is true."""
        deadline = time.monotonic() + PATIENCE
        while not condition(self.text()):
            assert time.monotonic() < deadline, f"no {what} in: {self.text()!r}"
            assert self._read(0.1), f"ended without {what}: {self.text()!r}"

    def end(self):
        """Reads to the end; returns the exit status."""
        deadline = time.monotonic() + PATIENCE
        while self._read(0.1):
            assert time.monotonic() < deadline, f"does not end: {self.text()!r}"
        os.close(self._master)
        return self.process.wait(PATIENCE)


def run_on_terminal(*arguments, **options):
    """Its exit status and its text, colours included."""
    terminal = Terminal(*arguments, **options)
    return terminal.end(), terminal.text()


def plain(text):
    """Without colours."""
    return COLOUR.sub("", text)


def columns_of(line):
    """How many columns a terminal takes for it."""
    wide = {"W": 2, "F": 2}
    return sum(
        0 if unicodedata.combining(c) else wide.get(unicodedata.east_asian_width(c), 1)
        for c in plain(line)
    )


def assert_harmless(text):
    """Nothing in it acts on a terminal, save colours and line ends."""
    for character in plain(text):
        assert character == "\n" or unicodedata.category(character) not in (
            "Cc",
            "Cf",
            "Zl",
            "Zp",
        ), f"{character!r} in {text!r}"
