"""What /metrics tells of publishers, and that it is Prometheus's format."""

import re

from node import wait_until
from receiver import fail, ok

LINE = re.compile(
    r'^([a-z_]+)(\{[a-z_]+="[^"\\]*"(?:,[a-z_]+="[^"\\]*")*\})? (-?[0-9.]+)$'
)


def scrape(node):
    """{name and labels: value}, and that every family is in one piece."""
    answer = node.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    series, families, family, kinds = {}, [], None, {}
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in families, f"{family} stands twice"
            families.append(family)
            kinds[family] = kind
        elif not line.startswith("# HELP "):
            name, labels, value = LINE.match(line).groups()
            base = name
            if kinds[family] == "histogram":
                base = re.sub("_(bucket|sum|count)$", "", name)
            assert base == family, f"{name} stands under {family}"
            assert name + (labels or "") not in series
            series[name + (labels or "")] = float(value)
    return series


def of(series, publisher, name, more=""):
    label = f'postoffice_publisher_{name}{{publisher="{publisher}",topic="orders"{more}}}'
    return series.get(label)


def test_one_publisher(node, receiver):
    node.topic()
    publisher = node.publisher(receiver.url, max_attempts=1)["id"]
    node.publish_many(range(5))
    node.wait_backlog(publisher)
    receiver.behaviour = fail(503)
    node.publish(1)
    node.wait_backlog(publisher)
    node.post(f"/api/publishers/{publisher}/pause")
    node.publish_many(range(3))
    series = wait_until(
        lambda: (s := scrape(node)) and of(s, publisher, "backlog_messages") == 3 and s,
        "the backlog is told",
    )
    assert of(series, publisher, "dead_messages") == 1
    assert of(series, publisher, "delivered_messages") == 5
    assert of(series, publisher, "in_flight") == 0
    assert of(series, publisher, "attempts_total", ',class="ok"') == 5
    assert of(series, publisher, "attempts_total", ',class="http_5xx"') == 1
    assert of(series, publisher, "dead_total") == 1
    assert of(series, publisher, "state", ',state="paused"') == 1
    assert of(series, publisher, "state", ',state="active"') == 0
    assert of(series, publisher, "oldest_undelivered_age_seconds") > 0
    # Buckets rise to the count.
    assert of(series, publisher, "end_to_end_seconds_count") == 5
    assert of(series, publisher, "end_to_end_seconds_bucket", ',le="+Inf"') == 5
    buckets = [
        value
        for name, value in series.items()
        if name.startswith("postoffice_publisher_delivery_seconds_bucket")
    ]
    assert buckets == sorted(buckets) and len(buckets) > 10
    assert of(series, publisher, "delivery_seconds_sum") > 0
    assert series["postoffice_publishers_untold"] == 0


def test_outage_is_told(node, receiver):
    receiver.down()
    node.topic()
    publisher = node.publisher(receiver.url, seconds_retry=60, retry_max_seconds=60)["id"]
    node.publish_many(range(10))
    series = wait_until(
        lambda: (s := scrape(node))
        and of(s, publisher, "state", ',state="circuit_open"') == 1
        and s,
        "the circuit is open",
    )
    assert of(series, publisher, "circuit_opened_total") == 1
    assert of(series, publisher, "attempts_total", ',class="connect"') >= 5


def test_bounded(node):
    """Publishers beyond the bound are counted, not told."""
    node.topic()
    for number in range(502):
        node.publisher(f"http://127.0.0.1:9/{number}", active=False)
    series = wait_until(
        lambda: (s := scrape(node))["postoffice_publishers_untold"] == 2 and s,
        "two are beyond the bound",
    )
    told = [name for name in series if name.startswith("postoffice_publisher_backlog")]
    assert len(told) == 500
