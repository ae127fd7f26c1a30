"""A verdict about a run."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    """An answer to one question."""

    question: str
    good: bool | None
    """None if the question cannot be asked of the run."""
    figures: str
    """What was found, with numbers; or why the question cannot be asked."""
    mend: str = ""
    """What mends it, a command or a setting; "" where nothing is wrong."""
