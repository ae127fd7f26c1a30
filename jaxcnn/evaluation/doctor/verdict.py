"""A verdict about a run."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    """An answer to one question."""

    question: str
    good: bool
    figures: str
    """What was found, with numbers."""
    mend: str = ""
    """What mends it, a command or a setting; "" where nothing is wrong."""
