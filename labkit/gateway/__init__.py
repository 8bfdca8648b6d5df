"""A safe way to share Foundry Local: keys, limits and three routes in front of a server that has none of them.

    with gateway.run(labkit.connect()) as gate:
        lab = gate.lab(gate.keys.create("ann"))

On the command line it is `labkit gateway`, and `labkit gateway keys create NAME`.
"""

from labkit.gateway.app import App
from labkit.gateway.gate import Gate, run, serve
from labkit.gateway.journal import Entry
from labkit.gateway.keys import Key, KeyRing
from labkit.gateway.rules import Rules

__all__ = ["App", "Entry", "Gate", "Key", "KeyRing", "Rules", "run", "serve"]
