"""The data broker: the process that holds keys.

Today it holds the checkpoint key alone and signs the audit chains' heads; the pseudonym keys and the sources'
passwords come to live here, and nowhere else.
"""

from faelleslab_hub.settings import Settings

__all__ = ["main"]


def main(settings: Settings) -> int:
    """Run the broker until it is told to stop."""
    from faelleslab_hub.broker.app import run

    return run(settings)
