"""The keyboard as a person uses it who has no mouse."""

import pytest
from playwright.sync_api import Page

MOST_TABS = 80


def walk_to(page: Page, wanted: str, *, key: str = "Tab", most: int = MOST_TABS) -> None:
    """Press Tab until the focused element fits ``wanted``, a JavaScript function of an element."""
    for _ in range(most):
        if page.evaluate(f"({wanted})(document.activeElement)"):
            return
        page.keyboard.press(key)
    pytest.fail(f"the keyboard never came to {wanted}")
