"""scripts/run --nodes 3 is what its words say: a cluster to play with."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from node import BINARY, PATIENCE, ROOT, environment, free_port, wait_until

RUN = ROOT / "scripts" / "run"


def run_script(*arguments):
    """Run to its end, which comes soon: a refusal."""
    return subprocess.run(
        [RUN, *map(str, arguments)],
        env={**environment(), "POSTOFFICE_BINARY": str(BINARY)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def free_base():
    """A first port whose five neighbours, as the script takes them, are free."""
    while True:
        base = free_port()
        try:
            for offset in (1, 10, 11, 20, 21):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        return base


class Script:
    """The running script, with a line of standard input to press Enter on."""

    def __init__(self, directory):
        self.words = ""
        self.process = subprocess.Popen(
            [RUN, "--nodes=3", f"--data-dir={directory}", f"--port={free_base()}"],
            env={**environment(), "POSTOFFICE_BINARY": str(BINARY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # What runs in the background is born deaf to Ctrl-C, and a shell
            # cannot trap what it was told to ignore.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.words += line

    def wait_words(self, pattern):
        def found():
            match = re.search(pattern, self.words, re.MULTILINE)
            assert match or self.process.poll() is None, self.words
            return match

        return wait_until(found, f"the script says {pattern}")

    def press_enter(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def stop(self):
        """Ctrl-C: the terminal signals the whole group of processes."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code


@pytest.fixture
def script(tmp_path):
    made = Script(tmp_path / "data")
    yield made
    if made.process.poll() is None:
        made.stop()


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_three_nodes_from_start_to_end(script, tmp_path):
    script.wait_words(r"Ctrl-C stops all nodes")
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", script.words)]
    assert len(set(pids)) == 3
    leader = int(script.wait_words(r"^  kill -9 (\d+)$")[1])
    assert leader in pids
    os.kill(leader, signal.SIGKILL)
    number = script.wait_words(r"node (\d) has ended")[1]
    script.wait_words(r"node \d leads\. Enter starts")
    script.press_enter()
    again = int(script.wait_words(rf"node {number} started again, pid (\d+)")[1])
    assert is_running(again)
    time.sleep(0.2)  # Its handlers of signals are in place.
    assert script.stop() == 0, script.words
    assert not any(is_running(pid) for pid in [*pids, again])
    for identity in (1, 2, 3):
        log = (tmp_path / "data" / f"{identity}.log").read_text()
        assert '"stopped"' in log, f"node {identity} was not ended gracefully"
        assert "second signal" not in log


def test_a_node_that_cannot_start_ends_all(tmp_path):
    base = free_base()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 11))  # The second node's Raft port.
        taken.listen()
        done = run_script("--nodes=3", f"--data-dir={tmp_path}", f"--port={base}")
    assert done.returncode == 1
    assert "node 2 has ended" in done.stderr
    assert str(base + 11) in done.stderr
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", base))


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["--nodes", "2"], "expected 1, 3 or 5"),
        (["--nodes"], "needs a value"),
        (["--port=99999"], "expected 1024"),
        (["--what"], "unknown argument"),
        (["--nodes=3", "--", "--listen=127.0.0.1:1"], "--listen cannot be the same"),
    ],
)
def test_wrong_usage_is_refused(arguments, word):
    done = run_script(*arguments)
    assert done.returncode == 2
    assert word in done.stderr


def test_another_number_of_nodes_is_refused(tmp_path):
    for identity in (1, 2, 3):
        (tmp_path / str(identity)).mkdir()
    done = run_script("--nodes=5", f"--data-dir={tmp_path}")
    assert done.returncode == 2
    assert "holds a cluster of 3" in done.stderr
