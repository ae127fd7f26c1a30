"""The configs that come with jaxcnn, by name: `--config=digits_lenet5`.

They are in configs/ beside the package in a checkout, and inside the package in an installed wheel.
"""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def config_files() -> dict[str, Path]:
    """Returns the file of each config that comes with jaxcnn, by name, in order."""
    folder = next(filter(Path.is_dir, (_PACKAGE / "configs", _PACKAGE.parent / "configs")), None)
    return {file.stem: file for file in sorted(folder.glob("*.py"))} if folder else {}
