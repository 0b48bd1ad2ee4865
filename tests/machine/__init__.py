"""What the tests need of the machine: put there when allowed, started when not running, named when missing.

``python -m tests.machine`` prepares the machine and says what will not be run; ``make test`` does the same through
tests/conftest.py when FAELLESLAB_INSTALL=1 is set.
"""
