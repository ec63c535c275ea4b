"""How fast messages are taken, by one node or by three, beside etcd."""

import json
import os
import subprocess
import sys
from pathlib import Path

import disk
import etcd
from nodes import MEMBERS, TOPIC, Cluster, Node, free_port

TOOLS = Path(__file__).resolve().parent
PAYLOAD_BYTES = 1024
BULK = 100
CLUSTER_BULK = 1000
CONNECTIONS_MOST = 256


def run_wrk(node, connections, seconds, bulk=0, script="publish.lua", topic=TOPIC):
    done = subprocess.run(
        [
            "wrk",
            "-t1",
            f"-c{connections}",
            f"-d{seconds}s",
            "--timeout=10s",
            "-s",
            TOOLS / script,
            f"http://127.0.0.1:{node.port}",
        ],
        env={
            **os.environ,
            "TOOLS": str(TOOLS),
            "TOPIC": topic,
            "PAYLOAD_BYTES": str(PAYLOAD_BYTES),
            "BULK": str(bulk),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("FIGURES "):
            return json.loads(line.removeprefix("FIGURES "))
    sys.exit(f"bench: wrk gave no figures:\n{done.stdout}{done.stderr}")


def measure_publish(node, connections, seconds, bulk=0):
    """One row: rate and CPU over what the node itself counted as published.
    Returns the two."""
    messages = node.metric("postoffice_messages_published_total")
    cpu = node.cpu_seconds()
    figures = run_wrk(node, connections, seconds, bulk)
    cpu = node.cpu_seconds() - cpu
    messages = node.metric("postoffice_messages_published_total") - messages
    what = f"bulk of {bulk}" if bulk else "single"
    return print_row(what, connections, messages, cpu, figures, node)


def print_row(what, connections, messages, cpu, figures, node):
    rate, cost = messages / figures["seconds"], cpu / messages * 1e6
    print(
        f"| {what} | {connections} | {rate:,.0f} "
        f"| {cost:.1f} | {figures['p50_us'] / 1000:.2f} "
        f"| {figures['p99_us'] / 1000:.2f} | {figures['failed']} "
        f"| {node.resident_mib():.0f} |",
        flush=True,
    )
    return rate, cost


def print_publish_head(what, writers, arguments):
    alone = disk.sync_us(arguments.data_dir, 1)
    at_once = disk.sync_us(arguments.data_dir, writers)
    print(f"\n{what}")
    print(f"a synced write of 4 KiB on this disk: {alone:.0f} µs", end="")
    print(f", {at_once:.0f} µs each for {writers} writers at once\n" if writers > 1 else "\n")
    print("| requests | connections | msg/s | CPU µs/msg | p50 ms | p99 ms | failed | RSS MiB |")
    print("|---|---|---|---|---|---|---|---|", flush=True)


def measure_all_publish(node, seconds, bulk):
    """Returns rate and CPU at the most connections."""
    run_wrk(node, 16, 1)  # Warm: segments made, file grown a little.
    for connections in (1, 64, CONNECTIONS_MOST):
        most = measure_publish(node, connections, seconds)
    measure_publish(node, 4, seconds, bulk)
    return most


def bench_node(arguments):
    what = "publish, payloads of 1 KiB, each answered after its sync"
    print_publish_head(what, 1, arguments)
    node = Node(arguments.binary, arguments.data_dir, arguments.flags).start()
    try:
        measure_all_publish(node.begin(), arguments.seconds, BULK)
    finally:
        node.close()


def bench_cluster(arguments):
    print_publish_head(
        f"publish to the leader of {MEMBERS} nodes on this machine, payloads of 1 KiB, "
        "each answered after its sync on a majority; CPU and RSS are sums over the nodes",
        MEMBERS,
        arguments,
    )
    cluster = Cluster(arguments.binary, arguments.data_dir, arguments.flags)
    try:
        ours = measure_all_publish(cluster, arguments.seconds, CLUSTER_BULK)
        cluster.check_leader()
    finally:
        cluster.close()
    if not arguments.without_etcd:
        compare(ours, measure_etcd(arguments))


def measure_etcd(arguments):
    members = etcd.Etcd(arguments.data_dir, free_port)
    try:
        run_wrk(members, 16, 1, script="etcd_put.lua")
        for connections in (1, CONNECTIONS_MOST):
            most = measure_puts(members, connections, arguments.seconds)
        return most
    finally:
        members.close()


def measure_puts(members, connections, seconds):
    revision, cpu = members.revision(), members.cpu_seconds()
    figures = run_wrk(members, connections, seconds, script="etcd_put.lua")
    cpu, puts = members.cpu_seconds() - cpu, members.revision() - revision
    return print_row("etcd put", connections, puts, cpu, figures, members)


def compare(ours, theirs):
    print(
        f"\nwith {CONNECTIONS_MOST} connections {ours[0]:,.0f}/s at {ours[1]:.1f} µs, "
        f"etcd {theirs[0]:,.0f}/s at {theirs[1]:.1f} µs: {ours[0] / theirs[0]:.1f} times "
        f"the rate, {theirs[1] / ours[1]:.1f} times less CPU a message"
    )
