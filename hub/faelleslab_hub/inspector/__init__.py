"""The inspector: judges what a throw-away sandbox read of an upload.

It holds no key, reaches no engine and opens no upload; what it judges came out of a sandbox that a hostile notebook
may have taken over, so that is validated as strictly as anything from outside.
"""

from faelleslab_hub.settings import Settings


def main(settings: Settings) -> int:
    """Run the inspector in the foreground until SIGTERM or SIGINT; gives its exit code."""
    from faelleslab_hub.inspector.app import serve

    return serve(settings)
