"""Reads dashboards with the Grafana Foundation SDK, writes them again, says what did not come back.

In: paths of dashboards. Out: a line for each key that the file has and the SDK's own writing has not, or has with
another value: `file: /path/of/key: before -> after`. Keys that the SDK adds (its defaults) are not compared; neither is
their order.
"""

import json
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def lost(before, after, path=""):
    """Paths at which `after` lacks or changes what `before` has."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in before.items():
            if key in after:
                yield from lost(value, after[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}", value, "nothing"
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (old, new) in enumerate(zip(before, after)):
            yield from lost(old, new, f"{path}/{number}")
    elif before != after:
        yield path, before, after


def main(files):
    # Without them the SDK hands the options of panels and the queries through as they are.
    register_default_plugins()
    for name in files:
        with open(name, encoding="utf-8") as file:
            before = json.load(file)
        after = json.loads(JSONEncoder().encode(Dashboard.from_json(before)))
        for path, old, new in lost(before, after):
            print(f"{name}: {path}: {old!r} -> {new!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
