"""The audit chain: one per municipality, hash-linked, with an erasable personal part and signed checkpoints.

It promises that any change, removal, re-ordering or cutting of what was once recorded and checkpointed is found, even
by someone who can write to the database; and that a person can be forgotten without breaking that promise. It does
not promise to notice an event that was never recorded, nor a change to the seconds since the last checkpoint by
someone who recomputes the chain.
"""

from faelleslab_hub.audit.chain import alias, append, record
from faelleslab_hub.audit.models import Event

__all__ = ["Event", "alias", "append", "record"]
