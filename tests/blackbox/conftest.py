"""Fixtures: real nodes and real receivers, and a story when a test fails."""

import os
import random

import pytest

import node as node_module
from certificates import Authority
from cluster import Cluster
from node import Node
from receiver import Receiver


def pytest_report_header():
    return f"binary: {node_module.BINARY}"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A failure shows the log and the last requests of each node in it."""
    report = (yield).get_result()
    if not report.failed:
        return
    for name, value in item.funcargs.items():
        nodes = getattr(value, "nodes", [value])
        for node in nodes:
            if isinstance(node, Node):
                report.sections.append((f"{name} on {node.url}", node.story()))


class Nodes:
    """Makes nodes with flags of their own; all are ended after the test."""

    def __init__(self):
        self.nodes = []

    def __call__(self, *flags, start=True, **options):
        node = Node(*flags, **options)
        self.nodes.append(node)
        return node.start() if start else node

    def close(self):
        try:
            for node in self.nodes:
                node.close()
        finally:
            for node in self.nodes:
                if node.process is not None:
                    node.kill()


@pytest.fixture
def new_node(request):
    nodes = Nodes()
    request.addfinalizer(lambda: [node.remove() for node in nodes.nodes])
    yield nodes
    nodes.close()


@pytest.fixture
def node(request):
    """A node of this test alone."""
    made = Node()
    request.addfinalizer(made.remove)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="session")
def shared(request):
    """One node for the tests that only ask and answer: each takes a topic
    name of its own."""
    made = Node()
    request.addfinalizer(made.remove)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def trusting(request, authority):
    """A node that trusts our authority, for all of these tests."""
    made = Node(f"--target-ca={authority.file}")
    request.addfinalizer(made.remove)
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def name(request):
    """A topic name that no other test uses."""
    safe = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return f"{safe[:60]}-{random.randrange(1 << 48):x}"


@pytest.fixture
def new_cluster(request):
    """Makes a cluster of its own; it is ended and checked after the test."""
    clusters = []
    request.addfinalizer(
        lambda: [node.remove() for made in clusters for node in made.nodes]
    )

    def make(*flags, **options):
        clusters.append(Cluster(*flags, **options))
        return clusters[-1].start()

    yield make
    for made in clusters:
        made.close()


@pytest.fixture
def cluster(new_cluster):
    """Three nodes of this test alone."""
    return new_cluster()


@pytest.fixture
def receiver():
    made = Receiver().up()
    yield made
    made.down()


@pytest.fixture
def new_receiver():
    made = []

    def make(behaviour, **options):
        made.append(Receiver(behaviour, **options).up())
        return made[-1]

    yield make
    for each in made:
        each.down()


@pytest.fixture
def seed():
    """Chance that can be repeated: POSTOFFICE_SEED, printed on failure."""
    value = int(os.environ.get("POSTOFFICE_SEED", random.randrange(1 << 32)))
    print(f"POSTOFFICE_SEED={value}")
    return random.Random(value)
