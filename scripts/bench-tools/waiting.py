"""What messages that wait cost: for publishers that are paused, and for targets
that are dead."""

import statistics
import time

from backlog import add_publisher, add_topic, fill
from nodes import MEMBERS, TICKS_PER_SECOND, Cluster, free_port
from publish import CONNECTIONS_MOST, run_wrk

PAUSED = 1000
ROUNDS = 4
DEAD = 10
WAITING = 1_000_000
IDLE = 400_000
WATCHED_SECONDS = 30


def cost(cluster, topic, seconds):
    """CPU microseconds a message, over all nodes."""
    messages = cluster.metric("postoffice_messages_published_total")
    cpu = cluster.cpu_seconds()
    run_wrk(cluster, CONNECTIONS_MOST, seconds, topic=topic)
    messages = cluster.metric("postoffice_messages_published_total") - messages
    return (cluster.cpu_seconds() - cpu) / messages * 1e6


def measure_paused(cluster, seconds):
    """Two topics of one cluster take turns, so that a disk or a neighbour that
    slows one slows the other."""
    for topic, publishers in (("one", 1), ("thousand", PAUSED)):
        add_topic(cluster.leader, topic)
        for number in range(publishers):
            add_publisher(cluster.leader, topic, f"http://127.0.0.1:9/{number}")
    costs = {"one": [], "thousand": []}
    run_wrk(cluster, 16, 1)
    for _ in range(ROUNDS):
        for topic, found in costs.items():
            found.append(cost(cluster, topic, seconds))
    one, thousand = (statistics.median(found) for found in costs.values())
    print(
        f"\npublishing to a topic with one paused publisher {one:.1f} µs CPU a message, "
        f"with {PAUSED:,} {thousand:.1f} µs: {(thousand / one - 1) * 100:+.1f} % "
        f"(medians of {ROUNDS} turns)",
        flush=True,
    )


def measure_dead(cluster):
    leader = cluster.leader
    add_topic(leader, "dead")
    for number in range(DEAD):
        port = free_port()
        add_publisher(leader, "dead", f"http://127.0.0.1:{port}/{number}", active=True)
    # What is kept in memory of any messages, up to fixed bounds, is there first.
    add_topic(leader, "idle")
    fill(leader, "idle", IDLE, payload_bytes=128)
    fill(leader, "dead", 10_000, payload_bytes=128)
    time.sleep(5)
    memory = leader.anonymous_mib()
    fill(leader, "dead", WAITING - 10_000, payload_bytes=128)
    time.sleep(10)
    cpu = leader.cpu_seconds()
    time.sleep(WATCHED_SECONDS)
    share = (leader.cpu_seconds() - cpu) / WATCHED_SECONDS * 100
    waiting = leader.metric("postoffice_backlog_messages")
    print(
        f"\n{waiting:,.0f} messages wait for {DEAD} dead targets: the leader uses "
        f"{share:.1f} % of a core (ticks of {1 / TICKS_PER_SECOND:.2f} s over "
        f"{WATCHED_SECONDS} s), its anonymous memory grew by "
        f"{leader.anonymous_mib() - memory:.1f} MiB",
        flush=True,
    )


def bench(arguments):
    print(f"\nwhat waits, on {MEMBERS} nodes")
    for measure in (lambda cluster: measure_paused(cluster, arguments.seconds), measure_dead):
        cluster = Cluster(arguments.binary, arguments.data_dir, arguments.flags)
        try:
            measure(cluster)
            cluster.check_leader()
        finally:
            cluster.close()
