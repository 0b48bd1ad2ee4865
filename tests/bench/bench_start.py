"""What one server start costs: this workbench against plain JupyterHub + DockerSpawner of the same versions.

Interleaved pairs, so that a slow minute of the machine hits both. CPU is the container's own, from its control group,
until it has been idle for a while; the hub's CPU of the same time stands beside it. First figure; the goal comes later.
"""

import os
import statistics
import sys
import time
from typing import Any

from tests import result_file
from tests.bench.start_sides import Side, ours, plain
from tests.machine.engine import Engine

from faelleslab_hub import engine
from faelleslab_hub.images import build, wheels
from faelleslab_hub.settings import CHECKOUT

PAIRS = 5
_SETTLE_S = 6


def measure(client: Any, side: Side) -> dict[str, float]:
    """Start one server, read its figures and remove it."""
    hub_before = side.hub_cpu_s()
    wall = side.start_server()
    (container,) = side.containers(client)
    ready = client.stats(container, stream=False)["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    time.sleep(_SETTLE_S)
    stats = client.stats(container, stream=False)
    memory = stats["memory_stats"]
    # Without the page cache, which the kernel gives back; the name differs between control groups 1 and 2.
    cache = memory["stats"].get("total_inactive_file", memory["stats"].get("inactive_file", 0))
    figures = {
        "wall_s": wall,
        "cpu_ready_s": ready,
        "cpu_idle_s": stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
        "hub_cpu_s": side.hub_cpu_s() - hub_before,
        "memory_mib": (memory["usage"] - cache) / 2**20,
    }
    side.stop_server(client)
    return figures


def main() -> int:
    machine = Engine()
    if reason := machine.start():
        print(f"Ikke kørt: {reason}")
        return 1
    try:
        return _compare(engine.connect(timeout_s=1800))
    finally:
        machine.stop()


def _compare(client: Any) -> int:
    build.build(client, [], print)
    figures: dict[str, list[dict[str, float]]] = {"ours": [], "plain": []}
    with ours(client) as one, plain(client) as two:
        for number in range(PAIRS + 1):
            # The order changes from pair to pair; the first pair only warms the page cache.
            for side in (one, two) if number % 2 else (two, one):
                taken = measure(client, side)
                print(
                    f"{number}/{PAIRS} {side.name:5} " + "  ".join(f"{k} {v:.2f}" for k, v in taken.items()), flush=True
                )
                if number:
                    figures[side.name].append(taken)
    medians = {
        name: {key: round(statistics.median(taken[key] for taken in all_taken), 3) for key in all_taken[0]}
        for name, all_taken in figures.items()
    }
    ratios = {
        key: round(medians["ours"][key] / medians["plain"][key], 3) for key in medians["ours"] if medians["plain"][key]
    }
    pins = wheels.needed(CHECKOUT / "images" / "constraints" / "base.txt")
    path = result_file.write(
        "bench",
        "start",
        {
            "versions": {name: pins[name] for name in ("jupyterhub", "jupyterlab", "jupyter-server")},
            "engine": client.version()["Version"],
            "pairs": PAIRS,
            # Wall times mean something on a quiet machine only; CPU-seconds nearly always.
            "load_average": os.getloadavg(),
            "medians": medians,
            "ratios": ratios,
            "measured": figures,
        },
    )
    print(f"{'':12}{'Fælleslab':>12}{'almindelig':>12}{'forhold':>10}")
    for key in medians["ours"]:
        print(f"{key:12}{medians['ours'][key]:12.2f}{medians['plain'][key]:12.2f}{ratios.get(key, 0):10.2f}")
    print(f"Skrevet: {path.relative_to(CHECKOUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
