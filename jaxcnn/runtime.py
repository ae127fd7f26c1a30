"""Process settings that come before jax is imported. Our entry points make them; importing jaxcnn never does."""

import logging
import os


def configure() -> None:
    """Makes the process fit for a run, leaving alone what the user has set.

    - Libraries' own start-up notes are kept off the terminal; warnings stay.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    logging.getLogger("absl").setLevel(logging.WARNING)
