"""What a user is told."""

import re
from typing import Any

import pytest

from jaxcnn.errors import UserError


def one_line_error(match: str) -> Any:
    """Expects a `UserError` that has `match`, a regular expression, in it and is one line."""
    return pytest.raises(UserError, match=re.compile(r"\A[^\n]*" + match + r"[^\n]*\Z"))
