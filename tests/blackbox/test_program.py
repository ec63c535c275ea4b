"""The command line: flags, settings, and the subcommands beside serve."""

import json
import re

import pytest

from node import free_port, run_program
from receiver import ok


def assert_no_crash(done):
    assert done.returncode >= 0, f"signal {-done.returncode}: {done.stderr}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve", "--no-such-flag"],
        ["serve", "--no-such-flag=1"],
        ["serve", "stray"],
        ["serve", "--listen"],
        ["serve", "--listen="],
        ["serve", "--listen=127.0.0.1"],
        ["serve", "--listen=127.0.0.1:99999"],
        ["serve", "--node-id=0"],
        ["serve", "--node-id=x"],
        ["serve", "--max-body-bytes=-1"],
        ["serve", "--log-level=loud"],
        ["serve", "--log-format=xml"],
        ["status", "--bogus"],
        ["send", "--bogus"],
        ["send"],
        ["no-such-command"],
        [],
    ],
)
def test_usage_errors(arguments):
    done = run_program(*arguments)
    assert done.returncode == 2, done
    assert done.stderr.strip(), "no words"
    if len(arguments) > 1:
        wrong = arguments[1].split("=")[0]
        assert wrong in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "--help"], ["status", "--help"], ["send", "--help"]]
)
def test_help(arguments):
    done = run_program(*arguments)
    assert done.returncode == 0
    assert "usage" in done.stdout.lower()


def test_help_names_every_setting():
    text = run_program("serve", "--help").stdout
    for name in settings(run_program("serve", "--print-config").stdout):
        assert f"--{name}" in text


def test_version():
    done = run_program("version")
    assert done.returncode == 0
    assert re.search(r"\b\d+\.\d+\.\d+\b", done.stdout)


# ---- Settings ----


def settings(text):
    """{name: (value, source)} of --print-config."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(?:--)?([a-z-]+)\s+(.*?)\s*(default|flag|env \S+)", line)
        assert match, f"not a line of name, value, source: {line!r}"
        found[match[1]] = (match[2], match[3])
    return found


def test_print_config_defaults():
    done = run_program("serve", "--print-config")
    assert done.returncode == 0
    found = settings(done.stdout)
    assert found["listen"] == ("127.0.0.1:4000", "default")
    assert found["raft-listen"] == ("127.0.0.1:4001", "default")
    assert found["data-dir"] == ("./data", "default")
    assert found["node-id"] == ("1", "default")
    assert found["max-bulk-messages"] == ("3000", "default")
    assert found["max-body-bytes"] == ("16777216", "default")
    assert found["drain-seconds"] == ("10", "default")


def test_flag_beats_variable_beats_default():
    variables = {
        "POSTOFFICE_LISTEN": "127.0.0.1:4100",
        "POSTOFFICE_DRAIN_SECONDS": "3",
        "MAX_BULK_MESSAGES": "77",
    }
    done = run_program("serve", "--print-config", "--drain-seconds=5", env=variables)
    found = settings(done.stdout)
    assert found["listen"] == ("127.0.0.1:4100", "env POSTOFFICE_LISTEN")
    assert found["drain-seconds"] == ("5", "flag")
    assert found["max-bulk-messages"] == ("77", "env MAX_BULK_MESSAGES")


def test_bad_variable_is_named():
    done = run_program("serve", env={"POSTOFFICE_DRAIN_SECONDS": "soon"})
    assert done.returncode == 2
    assert "POSTOFFICE_DRAIN_SECONDS" in done.stderr


def test_secrets_are_masked():
    secret = "correct-horse-battery-staple"
    done = run_program("serve", "--print-config", env={"POSTOFFICE_CLUSTER_SECRET": secret})
    assert done.returncode == 0
    assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1.example", "127.1234567890.example"])
def test_open_address_without_tokens_is_refused(tmp_path, host):
    """The refusal names both ways out."""
    done = run_program(
        "serve",
        f"--listen={host}:{free_port()}",
        f"--raft-listen=127.0.0.1:{free_port()}",
        f"--data-dir={tmp_path}",
    )
    assert_no_crash(done)
    assert done.returncode in (1, 2)
    assert "--api-tokens-file" in done.stderr
    assert "--insecure-no-auth" in done.stderr


def test_several_listeners(new_node):
    port = free_port()
    node = new_node(f"--listen=127.0.0.1:{port}")
    node.port, first = port, node.port
    assert node.get("/livez").status == 200
    node.port = first
    assert node.get("/livez").status == 200


def test_json_log(new_node):
    node = new_node("--log-format=json")
    node.get("/api/nothing", headers={"x-request-id": "look-for-me"})
    assert node.stop() == 0
    lines = [json.loads(line) for line in node.log().splitlines()]
    assert lines
    assert any("look-for-me" in line.values() for line in lines)
    assert {"info"} <= {str(line.get("level")).lower() for line in lines}


# ---- Beside a running node ----


def test_status(shared):
    done = run_program("status", f"--url={shared.url}")
    assert done.returncode == 0, done
    assert "leader" in done.stdout


def test_status_as_json(shared):
    done = run_program("status", "--json", f"--url={shared.url}")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)


def test_status_by_environment(shared):
    done = run_program("status", env={"POSTOFFICE_URL": shared.url})
    assert done.returncode == 0, done


@pytest.mark.parametrize("command", [["status"], ["send", "--topic=orders", "1"]])
def test_nobody_there(command):
    done = run_program(*command, f"--url=http://127.0.0.1:{free_port()}")
    assert done.returncode == 1, done
    assert "127.0.0.1" in done.stderr


def test_send_one(node, receiver):
    node.topic()
    node.publisher(receiver.url)
    done = run_program(
        "send", "--topic=orders", "--attribute", "kind=new", '{ "total": 1e400 }',
        f"--url={node.url}",
    )
    assert done.returncode == 0, done
    [request] = receiver.wait_requests(1)
    assert request.body == b'{ "total": 1e400 }'
    assert node.message(request.message_id)["attributes"] == {"kind": "new"}


def test_send_from_standard_input(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url)
    lines = [json.dumps({"n": number}) for number in range(500)]
    done = run_program(
        "send", "--topic=orders", f"--url={node.url}", "-", stdin="\n".join(lines) + "\n"
    )
    assert done.returncode == 0, done
    receiver.wait_requests(500)
    node.wait_backlog(publisher["id"])
    assert sorted(r.body.decode() for r in receiver.arrived()) == sorted(lines)


def test_send_refused_says_why(shared, name):
    done = run_program("send", f"--topic={name}", f"--url={shared.url}", "1")
    assert done.returncode == 1
    assert "topic" in done.stderr
    assert "is invalid" in done.stderr


def test_send_bad_json(shared, name):
    shared.topic(name)
    done = run_program("send", f"--topic={name}", f"--url={shared.url}", "{oops")
    assert done.returncode in (1, 2)
    assert done.stderr.strip()
    assert_no_crash(done)


def test_deliveries_go_on_beside_the_command_line(node, receiver):
    receiver.behaviour = ok
    node.topic()
    node.publisher(receiver.url)
    for number in range(5):
        done = run_program("send", "--topic=orders", f"--url={node.url}", str(number))
        assert done.returncode == 0, done
    receiver.wait_requests(5)
