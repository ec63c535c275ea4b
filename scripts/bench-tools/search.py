"""How soon searches answer over many messages, and what one that looks at all
of them costs publishing."""

import contextlib
import http.client
import json
import statistics
import threading
import time
import urllib.parse

from backlog import add_publisher
from nodes import Node
from publish import run_wrk

BULK = 3000
RARE = 1000  # One message in so many has a given value of /c.
DISCARDED = 500
PAGES = 20  # Timed, of the first and of deep ones.
DEEP = 200  # Pages before the deep ones.
TURNS = 4
CONNECTIONS = 64
SCANNERS = 2


def fill(node, messages):
    """Small payloads; a bulk request has its attributes in common."""
    for first in range(0, messages, BULK):
        count = min(BULK, messages - first)
        payloads = ",".join(
            '{"i":%d,"c":%d,"t":"some text of %d"}' % (n, n % RARE, n)
            for n in range(first, first + count)
        )
        batch = first // BULK
        node.post(
            "/api/bulk_messages",
            '{"topic":"search","attributes":{"kind":"%s","batch":"%d"},"key":"k%d","payload":[%s]}'
            % ("abcd"[batch % 4], batch, batch % 100, payloads),
        )


def wait_indexed(node):
    """Until the index has the last message; seconds."""
    began = time.monotonic()
    last = node.get("/api/messages?limit=1")["data"][0]["id"]
    while node.metric("postoffice_indexed_message_id") < last:
        time.sleep(0.1)
    return time.monotonic() - began


def gigabytes_of(node):
    """What is really on the disk: the store's file may have holes."""
    taken = 0
    for file in (node.place / "data").rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # Segments come and go.
            taken += file.stat().st_blocks * 512
    return taken / 1e9


def timed(node, query, cursor=None):
    began = time.perf_counter()
    answer = node.get("/api/messages?" + query + (f"&cursor={cursor}" if cursor else ""))
    return (time.perf_counter() - began) * 1e3, answer


def milliseconds(times):
    return f"{statistics.median(times):.1f} | {max(times):.1f}" if times else "- | -"


def measure(node, name, query):
    first = [timed(node, query)[0] for _ in range(PAGES)]
    took, answer = timed(node, query)
    for _ in range(DEEP):
        if answer["next_cursor"] is None:
            break
        took, answer = timed(node, query, answer["next_cursor"])
    deep = []
    while answer["next_cursor"] is not None and len(deep) < PAGES:
        took, answer = timed(node, query, answer["next_cursor"])
        deep.append(took)
    print(f"| {name} | {milliseconds(first)} | {milliseconds(deep)} |", flush=True)


def scan(node, stop, looks):
    """Looks for what is nowhere, round and round, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
    cursor = ""
    while not stop.is_set():
        connection.request("GET", f"/api/messages?q=nowhere+to+be+found{cursor}")
        answer = json.loads(connection.getresponse().read())
        looks.append(1)
        cursor = f"&cursor={answer['next_cursor']}" if answer["next_cursor"] else ""
    connection.close()


def rate(node, seconds, scanned):
    stop, looks = threading.Event(), []
    threads = [
        threading.Thread(target=scan, args=(node, stop, looks))
        for _ in range(SCANNERS if scanned else 0)
    ]
    for thread in threads:
        thread.start()
    published = node.metric("postoffice_messages_published_total")
    began = time.monotonic()
    run_wrk(node, CONNECTIONS, seconds)
    took = time.monotonic() - began
    published = node.metric("postoffice_messages_published_total") - published
    stop.set()
    for thread in threads:
        thread.join()
    return published / took


def measure_publishing(node, seconds):
    run_wrk(node, CONNECTIONS, 1)
    rates = {False: [], True: []}
    for _ in range(TURNS):
        for scanned, found in rates.items():
            found.append(rate(node, seconds, scanned))
    alone, beside = (statistics.median(found) for found in rates.values())
    print(
        f"\npublishing alone {alone:,.0f}/s, beside {SCANNERS} searches that look at every "
        f"message {beside:,.0f}/s: {(beside / alone - 1) * 100:+.1f} % "
        f"(medians of {TURNS} turns)",
        flush=True,
    )


def bench(arguments):
    node = Node(arguments.binary, arguments.data_dir, arguments.flags).start().begin()
    messages = arguments.searched
    node.post(
        "/api/topics",
        {"name": "search", "origin_host": "bench.invalid", "indexed_fields": ["/i", "/c"]},
    )
    publisher = add_publisher(node, "search", "http://127.0.0.1:9/")
    began = time.monotonic()
    fill(node, messages)
    filled = time.monotonic() - began
    print(
        f"{messages:,} messages in {filled:.1f} s, indexed {wait_indexed(node):.1f} s after "
        f"that; the data directory takes {gigabytes_of(node):.2f} GB",
        flush=True,
    )
    newest = node.get("/api/messages?limit=1")["data"][0]["id"]
    for number in range(DISCARDED):
        node.post(f"/api/messages/{newest - number * (messages // DISCARDED)}/discard", {})
    middle = node.get(f"/api/messages/{newest - messages // 2}")["data"]["received_at"]
    rows = {
        "none": "",
        "topic": "topic=search",
        "publisher": f"publisher={publisher}",
        "state, most": "state=pending",
        "state, few": "state=discarded",
        "key": "key=k7",
        "attribute, a quarter": "attr.kind=a",
        f"attribute, {BULK:,}": "attr.batch=7",
        "field, one": "field./i=12345",
        f"field, one in {RARE:,}": "field./c=77",
        "received": f"received_to={middle}",
        "processed": "processed_from=2000-01-01T00:00:00Z",
        "field and attribute": "field./c=77&attr.kind=a",
        "field and text": "field./c=77&q=text",
        "attribute and received": f"attr.kind=a&received_to={middle}",
        "field without index": "field./t=" + urllib.parse.quote("some text of 77"),
        "text": "q=nowhere",
    }
    print("\n| search by | first page ms | most | deep page ms | most |\n|---|---|---|---|---|")
    for name, query in rows.items():
        measure(node, name, query)
    measure_publishing(node, arguments.seconds)
    node.close()
