"""The web service: overview, runs and audit events, each of one's own tenant alone.

It holds no keys and no Docker socket, listens on 127.0.0.1 behind the proxy, and trusts the hub for who is asking:
tenant and role come from the hub's groups at every request, never from an address, a form or a cookie.
"""

from faelleslab_hub.settings import Settings

__all__ = ["main"]


def main(settings: Settings) -> int:
    """Run the web service until it is told to stop."""
    from faelleslab_hub.web.app import run

    return run(settings)
