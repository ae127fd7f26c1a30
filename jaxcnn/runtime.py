"""Process settings that come before jax is imported. Our entry points make them; importing jaxcnn never does."""

import logging
import os


def configure() -> None:
    """Keeps the libraries' start-up notes off the terminal, not their warnings; leaves alone what the user has set."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.getLogger("absl").setLevel(logging.WARNING)
