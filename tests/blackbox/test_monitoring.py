"""/metrics by Prometheus's own checker, and what is made for it: the alert rules
and the dashboard of deploy/ name nothing that a node does not tell."""

import json
import re
import subprocess

import pytest

from node import ROOT, wait_until
from receiver import fail

RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
RULE_TESTS = ROOT / "deploy" / "prometheus" / "alerts_test.yml"
DASHBOARD = ROOT / "deploy" / "grafana" / "postoffice.json"
NAME = re.compile(r"\b(?:postoffice|process)_[a-z_]+\b")
OF_HISTOGRAM = re.compile("_(bucket|sum|count)$")


def promtool(*arguments, stdin=None):
    done = subprocess.run(
        ["promtool", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # What it only finds odd is said, and ends with 0.
    return done.stdout + done.stderr


def families(text):
    return set(re.findall("^# TYPE ([a-z_]+) ", text, re.MULTILINE))


def scrape(node):
    answer = node.get("/metrics")
    assert answer.status == 200
    return answer.body.decode()


def value(text, series):
    found = re.search(f"^{re.escape(series)} ([0-9.]+)$", text, re.MULTILINE)
    return None if found is None else float(found[1])


def test_promtool_finds_nothing_amiss(node, receiver):
    node.topic()
    good = node.publisher(receiver.url)["id"]
    bad = node.publisher(receiver.url + "/bad", max_attempts=1)["id"]
    node.publish_many(range(5))
    node.wait_backlog(good)
    receiver.behaviour = fail(503)
    node.publish(1)
    node.wait_backlog(bad)
    node.post("/api/publishers/999/pause")
    assert promtool("check", "metrics", stdin=scrape(node)) == ""


def test_promtool_on_each_of_three(cluster):
    first = cluster.nodes[0]
    first.topic()
    first.publish(1)
    for node in cluster.nodes:
        assert promtool("check", "metrics", stdin=scrape(node)) == ""


def test_requests_by_route(node):
    """Whatever clients ask for, labels are those of the table of routes."""
    node.topic()
    node.publish(1)
    node.publish(2)
    node.post("/api/messages", {"topic": "none", "payload": 1, "attributes": {}})
    for number in range(30):
        node.get(f"/made-up/{number}")
        node.request("BREW", f"/api/topics/t{number}")
        node.get(f"/api/messages/{1000 + number}")
    text = scrape(node)
    of = "postoffice_http_requests_total"
    route = 'method="POST",route="/api/messages"'
    assert value(text, f'{of}{{{route},code="2xx"}}') == 2
    assert value(text, f'{of}{{{route},code="4xx"}}') == 1
    assert value(text, f'{of}{{method="",route="",code="4xx"}}') == 60
    one = 'method="GET",route="/api/messages/{id}"'
    assert value(text, f'{of}{{{one},code="4xx"}}') == 30
    duration = "postoffice_http_request_duration_seconds"
    assert value(text, f"{duration}_count{{{one}}}") == 30
    assert value(text, f'{duration}_bucket{{{one},le="+Inf"}}') == 30
    assert value(text, f"{duration}_sum{{{one}}}") > 0
    assert "made-up" not in text


def test_figures_of_the_process(node):
    text = scrape(node)
    assert value(text, "process_resident_memory_bytes") / 1024 == pytest.approx(
        node.resident_kib(), rel=0.5
    )
    assert value(text, "process_cpu_seconds_total") > 0
    assert 5 < value(text, "process_open_fds") < value(text, "process_max_fds")
    # The kernel tells the start since the machine's own.
    with open(f"/proc/{node.process.pid}/stat") as file:
        ticks = int(file.read().rsplit(")", 1)[1].split()[19])
    with open("/proc/stat") as file:
        booted = next(int(line.split()[1]) for line in file if line.startswith("btime"))
    started = value(text, "process_start_time_seconds")
    assert started == pytest.approx(booted + ticks / 100, abs=5)
    assert value(text, "postoffice_raft_leaderships_total") == 1
    assert value(text, "postoffice_writable") == 1
    assert value(text, "postoffice_store_limit_bytes") == 64 << 30


def test_idempotency_keys_are_counted(node):
    node.topic()
    for number in range(3):
        node.publish(1, headers={"idempotency-key": f"k{number}"})
    wait_until(
        lambda: value(scrape(node), "postoffice_idempotency_keys") == 3,
        "three keys are counted",
    )


def test_members_are_told(cluster):
    leader = cluster.leader()
    away = cluster.followers()[0]
    for node in cluster.nodes:
        text = scrape(node)
        assert value(text, "postoffice_raft_leader_known") == 1
        assert value(text, "postoffice_raft_is_leader") == (node is leader)
    number = cluster.id_of(away)
    series = f'postoffice_member_up{{member="{number}"}}'
    wait_until(lambda: value(scrape(leader), series) == 1, "it is told to be up")
    away.kill()
    wait_until(lambda: value(scrape(leader), series) == 0, "it is told to be away")
    away.start()
    wait_until(lambda: value(scrape(leader), series) == 1, "it is told to be back")


def test_alert_rules():
    promtool("check", "rules", RULES)
    promtool("test", "rules", RULE_TESTS)
    told = set(re.findall(r"alert: (\w+)", RULES.read_text()))
    tested = set(re.findall(r"alertname: (\w+)", RULE_TESTS.read_text()))
    assert told == tested
    documented = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in told if name not in documented] == []


def expressions(found):
    """Every query of the dashboard, wherever it stands."""
    if isinstance(found, dict):
        for name, inner in found.items():
            if name in ("expr", "definition"):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(found, list):
        for inner in found:
            yield from expressions(inner)


def test_what_is_named_is_told(shared):
    told = families(scrape(shared))
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [*expressions(dashboard), RULES.read_text()]
    assert len(queries) > 40
    named = {name for query in queries for name in NAME.findall(query)}
    missing = {name for name in named if OF_HISTOGRAM.sub("", name) not in told}
    assert missing == set()
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places), "panels lie on one another"


def test_each_family_is_documented(shared):
    """The table of docs/operations.md has every family, and nothing else."""
    text = (ROOT / "docs" / "operations.md").read_text()
    begin = text.index("### Metrics")
    end = text.index("\n#", begin + 3)
    documented = set(re.findall(r"^\| `([a-z_]+)`", text[begin:end], re.MULTILINE))
    assert documented == families(scrape(shared))
