"""Fixtures of the tests of faelleslab.data."""

from tests.unit.kit.data.theatre import theatre

__all__ = ["theatre"]
