"""Fixtures of the audit tests."""

from tests.unit.hub.audit.audit_house import fresh, full_house, house

__all__ = ["fresh", "full_house", "house"]
