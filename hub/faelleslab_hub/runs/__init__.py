"""Production runs as rows: what a run is, how it moves from state to state, and how one is submitted and followed.

Promise (design §4.6): a run happens at most once per attempt, is never lost, and ends in exactly one terminal state,
whatever is killed in between. The truth is in the database; the placer and the inspector only move rows.
"""
