"""Fixtures of the web tests."""

from tests.integration.web.paper_hub import browser, built, house, hub

__all__ = ["browser", "built", "house", "hub"]
