"""How fast messages are delivered, by one node and by the leader of three."""

import time

from backlog import IN_FLIGHT, FastReceiver, add_publisher, add_topic, drain, fill
from nodes import MEMBERS, Cluster, Node

PUBLISHERS = 100
RARE_IN = 100
LONE_MESSAGES = 1000
LONE_GAP_SECONDS = 0.02


def print_row(what, messages, seconds, cpu, received, node):
    print(
        f"| {what} | {messages:,} | {messages / seconds:,.0f} | {cpu / messages * 1e6:.1f} "
        f"| {received:,} | {node.resident_mib():.0f} |",
        flush=True,
    )


def measure_one(node, messages):
    add_topic(node, "one")
    receiver = FastReceiver(node.place)
    try:
        publisher = add_publisher(node, "one", receiver.url(), max_in_flight=IN_FLIGHT)
        fill(node, "one", messages)
        seconds, cpu = drain(node, [publisher])
        print_row("one publisher", messages, seconds, cpu, int(receiver.end()[0]), node)
    finally:
        receiver.close()


def measure_many(node, deliveries):
    messages = deliveries // PUBLISHERS
    add_topic(node, "many")
    receiver = FastReceiver(node.place)
    try:
        publishers = [
            add_publisher(node, "many", receiver.url(number)) for number in range(PUBLISHERS)
        ]
        fill(node, "many", messages)
        seconds, cpu = drain(node, publishers)
        what = f"{PUBLISHERS} publishers"
        received = int(receiver.end()[0])
        print_row(what, messages * PUBLISHERS, seconds, cpu, received, node)
    finally:
        receiver.close()


def measure_filter(node, messages):
    """Counts what is examined, of which one in a hundred is sent."""
    add_topic(node, "filtered")
    receiver = FastReceiver(node.place)
    try:
        rare = {"attributes": {"kind": "rare"}}
        publisher = add_publisher(
            node, "filtered", receiver.url(), max_in_flight=IN_FLIGHT, filter=rare
        )
        for _ in range(messages // RARE_IN):
            fill(node, "filtered", RARE_IN - 1)
            fill(node, "filtered", 1, kind="rare")
        seconds, cpu = drain(node, [publisher])
        what = f"filter, 1 of {RARE_IN} passes (examined)"
        print_row(what, messages, seconds, cpu, int(receiver.end()[0]), node)
    finally:
        receiver.close()


def measure_latency(node):
    """From before a message is published until its receiver has it: the
    payload is the time at which it was sent."""
    add_topic(node, "lone")
    receiver = FastReceiver(node.place, "latency")
    try:
        add_publisher(node, "lone", receiver.url(), active=True)
        for _ in range(LONE_MESSAGES):
            sent = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            node.post("/api/messages", {"topic": "lone", "attributes": {}, "payload": sent})
            time.sleep(LONE_GAP_SECONDS)
        count, p50, p99 = receiver.end()
        print(
            f"\npublish to received, {1 / LONE_GAP_SECONDS:.0f} messages/s: "
            f"p50 {int(p50) / 1000:.2f} ms, p99 {int(p99) / 1000:.2f} ms "
            f"({count} of {LONE_MESSAGES} received)"
        )
    finally:
        receiver.close()


def measure_all(node, messages):
    print("| backlog | messages | messages/s | CPU µs/message | received | RSS MiB |")
    print("|---|---|---|---|---|---|", flush=True)
    measure_one(node, messages)
    measure_many(node, messages)
    measure_filter(node, messages)
    measure_latency(node)


def bench(arguments):
    print(f"\ndelivery of a backlog by one node, payloads of 1 KiB, {IN_FLIGHT} in flight\n")
    node = Node(arguments.binary, arguments.data_dir, arguments.flags).start().begin()
    try:
        measure_all(node, arguments.messages)
    finally:
        node.close()
    print(f"\nthe same by the leader of {MEMBERS} nodes; CPU and RSS are the leader's\n")
    cluster = Cluster(arguments.binary, arguments.data_dir, arguments.flags)
    try:
        measure_all(cluster.leader, arguments.messages)
        cluster.check_leader()
    finally:
        cluster.close()
