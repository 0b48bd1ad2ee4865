"""The placer: starts inspections and runs from database rows, and collects what became of them.

It never reads an upload and never runs user code in its own process; it reaches Docker as the hub does.
"""

from faelleslab_hub.settings import Settings


def main(settings: Settings) -> int:
    """Run the placer in the foreground until SIGTERM or SIGINT; gives its exit code."""
    from faelleslab_hub.placer.app import serve

    return serve(settings)
