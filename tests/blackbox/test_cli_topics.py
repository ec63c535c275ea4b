"""`postoffice topic` and `publisher`: each subcommand, good and bad."""

import json

import pytest

from node import free_port, run_program
from terminal import (
    COLOUR,
    assert_harmless,
    columns_of,
    plain,
    run_on_terminal,
)


@pytest.fixture
def run(shared):
    def run(*arguments, **options):
        return run_program(*arguments, f"--url={shared.url}", **options)

    return run


def good(done):
    assert done.returncode == 0, done
    assert not done.stderr, done
    return done.stdout


def data(done):
    """Of an answer that is printed as it came."""
    return json.loads(good(done))["data"]


# ---- topic ----


def test_topic_from_creation_to_deletion(run, shared, name):
    made = data(run("topic", "create", name, "--origin-host=example.com", "--json"))
    assert made == shared.get(f"/api/topics/{name}").json()["data"]
    assert name in good(run("topic", "show", name))
    done = run(
        "topic", "change", name, "--retention-seconds=60", "--recovery-enabled=true",
        "--indexed-field=/a", "--indexed-field=/b/c",
    )
    good(done)
    changed = data(run("topic", "show", name, "--json"))
    assert changed["retention_seconds"] == 60
    assert changed["recovery_enabled"] is True
    assert changed["indexed_fields"] == ["/a", "/b/c"]
    good(run("topic", "change", name, "--retention-seconds="))
    assert data(run("topic", "show", name, "--json"))["retention_seconds"] is None
    assert name in good(run("topic", "delete", name))
    assert shared.get(f"/api/topics/{name}").status == 404


def test_topic_that_is_in_use_goes_by_force_alone(run, shared, name):
    shared.topic(name)
    shared.publisher(f"http://127.0.0.1:{free_port()}", topic=name, active=False)
    done = run("topic", "delete", name)
    assert done.returncode == 1
    assert "409" in done.stderr
    good(run("topic", "delete", name, "--force"))


def test_missing_topic_says_how_to_list_them(run):
    for verb in ("show", "delete"):
        done = run("topic", verb, "no-such-topic")
        assert done.returncode == 1
        assert "404" in done.stderr
        assert "postoffice topic list" in done.stderr


def test_refused_topic_names_what_is_wrong(run, name):
    done = run("topic", "create", name, "--origin-host=")
    assert done.returncode == 1
    assert "origin_host" in done.stderr
    assert "can't be blank" in done.stderr


def test_list_follows_pages(node):
    for number in range(60):
        node.topic(f"topic-{number}")
    listed = run_program("topic", "list", "--all", f"--url={node.url}")
    assert len(good(listed).splitlines()) == 61
    some = run_program("topic", "list", "--limit=7", f"--url={node.url}")
    assert len(some.stdout.splitlines()) == 8
    cursor = some.stderr.split("--cursor ")[1].split()[0]
    rest = run_program("topic", "list", "--all", "--cursor", cursor, f"--url={node.url}")
    assert len(good(rest).splitlines()) == 54


def test_empty_list_says_what_to_do(node):
    done = run_program("topic", "list", f"--url={node.url}")
    assert done.returncode == 0
    assert "postoffice topic create" in done.stderr


# ---- publisher ----


def test_publisher_from_creation_to_deletion(node, receiver):
    def run(*arguments):
        return run_program("publisher", *arguments, f"--url={node.url}")

    node.topic()
    made = data(
        run(
            "create", "--topic=orders", f"--target={receiver.url}", "--paused",
            "--max-in-flight=3", "--ordering=strict", "--header=x-a=1",
            "--header=x-b=2=3", '--filter={"attributes": {"kind": ["a", "b"]}}', "--json",
        )
    )
    assert made["state"] == "paused"
    assert made["max_in_flight"] == 3
    assert made["ordering"] == "strict"
    assert made["headers"] == {"x-a": "1", "x-b": "2=3"}
    assert made["filter"] == {"attributes": {"kind": ["a", "b"]}}
    identity = made["id"]
    assert "paused" in run("list").stdout
    good(run("change", identity, "--max-in-flight=", "--filter=", "--description=mine"))
    changed = data(run("show", identity, "--json"))
    assert (changed["max_in_flight"], changed["filter"]) == (16, None)
    assert "mine" in good(run("show", identity))
    good(run("resume", identity))
    assert node.publisher_state(identity)["state"] == "active"
    assert "200" in good(run("test", identity))
    assert receiver.wait_requests(1)[0].headers["postoffice-test"] == "true"
    good(run("pause", identity, "--reason=holidays"))
    assert "holidays" in good(run("show", identity))
    secret = run("rotate-secret", identity).stdout.strip()
    assert secret.startswith("whsec_")
    assert secret not in run("show", identity).stdout
    good(run("delete", identity))
    assert node.get(f"/api/publishers/{identity}").status == 404


def test_refused_publisher_names_what_is_wrong(run, shared, name):
    shared.topic(name)
    done = run("publisher", "create", f"--topic={name}", "--target=nowhere")
    assert done.returncode == 1
    assert "target" in done.stderr


@pytest.mark.parametrize("verb", ["show", "pause", "resume", "test", "delete", "rotate-secret"])
def test_missing_publisher_says_how_to_list_them(run, verb):
    done = run("publisher", verb, "9999999")
    assert done.returncode == 1
    assert "postoffice publisher list" in done.stderr


# ---- Usage ----


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["topic"], "COMMAND"),
        (["topic", "no-such"], "no-such"),
        (["topic", "list", "--bogus"], "--bogus"),
        (["topic", "list", "stray"], "stray"),
        (["topic", "list", "--limit=many"], "--limit"),
        (["topic", "list", "--limit=-1"], "--limit"),
        (["topic", "list", "--limit=0"], "--limit"),
        (["topic", "list", "--consistency=none"], "--consistency"),
        (["topic", "show"], "NAME"),
        (["topic", "create", "x"], "--origin-host"),
        (["topic", "create", "x", "--recovery-enabled=yes"], "--recovery-enabled"),
        (["topic", "create", "\udcff", "--origin-host=x"], "UTF-8"),
        (["topic", "change", "x"], "nothing to change"),
        (["publisher", "create", "--topic=x"], "--target"),
        (["publisher", "create", "--topic=x", "--target=y", "--ordering=odd"], "--ordering"),
        (["publisher", "create", "--topic=x", "--target=y", "--filter={"], "--filter"),
        (["publisher", "create", "--topic=x", "--target=y", "--header=x"], "--header"),
        (["publisher", "change", "1"], "nothing to change"),
        (["status", "--url=ftp://127.0.0.1"], "ftp://"),
        (["status", "--token=a\nb"], "token"),
    ],
)
def test_wrong_usage_is_named(arguments, words):
    done = run_program(*arguments)
    assert done.returncode == 2, done
    assert words in done.stderr
    assert "Traceback" not in done.stderr


# ---- On a terminal ----

EVIL = "caf\u00e9 \x1b]0;title\x07\x9b2J\u202eevil"


@pytest.fixture(scope="module")
def shown(shared):
    """A topic and a publisher whose texts try to act on the terminal."""
    name = "terminal-" + "x" * 60
    shared.topic(name, indexed_fields=["/\u202e\x1b[2J"])
    publisher = shared.publisher(
        f"http://127.0.0.1:{free_port()}", topic=name, active=False, description=EVIL,
    )
    shared.post(f"/api/publishers/{publisher['id']}/pause", {"reason": "\u4e16\u754c" * 60 + EVIL})
    return name, publisher["id"]


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_fit_the_terminal(shared, shown, columns):
    name, publisher = shown
    for arguments in (
        ["status"], ["topic", "list"], ["topic", "show", name],
        ["publisher", "list"], ["publisher", "show", publisher],
    ):
        code, text = run_on_terminal(*arguments, f"--url={shared.url}", columns=columns)
        assert code == 0, text
        assert_harmless(text)
        for line in text.splitlines():
            if not line.startswith("("):  # Remarks are no table.
                assert columns_of(line) <= columns, line


@pytest.mark.parametrize("columns", [40, 200])
def test_json_on_a_terminal_is_harmless_and_the_same(shared, shown, columns):
    _, publisher = shown
    code, text = run_on_terminal(
        "publisher", "show", publisher, "--json", f"--url={shared.url}", columns=columns
    )
    assert code == 0
    assert_harmless(text)
    assert json.loads(text)["data"]["description"] == EVIL


def test_narrow_tables_say_what_they_left_out(shared, shown):
    _, text = run_on_terminal("publisher", "list", f"--url={shared.url}", columns=40)
    assert "too narrow for" in text
    assert "BACKLOG" in text.splitlines()[0]
    assert "…" not in run_program("version").stdout


def test_colours_on_a_terminal_alone(shared, shown):
    arguments = ["publisher", "list", f"--url={shared.url}"]
    code, text = run_on_terminal(*arguments)
    assert code == 0
    assert COLOUR.search(text)
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        _, text = run_on_terminal(*arguments, env=variables)
        assert not COLOUR.search(text)
    assert "\x1b" not in run_program(*arguments).stdout


def test_errors_are_harmless_too(shared):
    code, text = run_on_terminal(
        "topic", "create", "a\x1b[2Jb", "--origin-host=x", f"--url={shared.url}"
    )
    assert code == 1
    assert_harmless(text)
    assert plain(text)
