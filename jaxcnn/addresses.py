"""Distinguishes paths of this machine from addresses of buckets, and refuses other addresses."""

import os
import posixpath
import re
import sys
from pathlib import Path, PurePosixPath

from jaxcnn.errors import UserError

BUCKETS = ("gs", "s3")
"""Supported schemes: Google Cloud Storage, and Amazon S3 or compatible stores."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/*)(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SPECIAL = re.compile(r"[?#*\[\]]")
"""Characters that libraries read as versions or patterns."""
_PATTERN = re.compile(r"[*?\[]")
_WITHIN = re.compile(rf"({'|'.join(BUCKETS)}):(/|$)")


def bucket_address(what: str, place: str | os.PathLike[str]) -> str | None:
    """Returns an address in a bucket as SCHEME://BUCKET/PATH, without needless slashes; None for a path.

    Args:
        what: name of the setting, for messages: "--workdir".
        place: its value.

    Raises:
        UserError: for another scheme, or an address that is written wrongly. It would become a folder of that name.
    """
    text = os.fspath(place)
    found = _SCHEME.fullmatch(text.strip())
    if not found or (len(found[1]) == 1 and found[1].lower() not in BUCKETS):  # a drive of Windows
        return None
    scheme, slashes, rest = found.groups()
    bucket, _, key = rest.partition("/")
    if scheme.lower() in BUCKETS:
        return _checked(what, text, scheme, slashes, bucket, key)
    if not slashes:  # a name with a colon in it
        return None
    if scheme.lower() == "file":
        raise UserError(f"{what} is {text}: give the path alone, without {scheme}:{slashes[:2]}")
    raise UserError(
        f"{what} is {text}: of addresses, only {' and '.join(f'{known}://' for known in BUCKETS)} are supported"
    )


def _checked(what: str, text: str, scheme: str, slashes: str, bucket: str, key: str) -> str:
    """Returns the address of a bucket without needless slashes; raises `UserError` if it is written wrongly.

    Args:
        what: name of the setting, for messages.
        text: the address, as it was given.
        scheme: of the address.
        slashes: between scheme and bucket.
        bucket: its name.
        key: what follows the bucket.
    """
    key = posixpath.normpath(f"/{key}").lstrip("/")
    named = _BUCKET.fullmatch(bucket) is not None
    right = "/".join(filter(None, (f"{scheme.lower()}://{bucket}" if named else f"{scheme.lower()}://BUCKET", key)))
    if scheme not in BUCKETS or slashes != "//" or not named or text != text.strip():
        raise UserError(
            f"{what} is {text}: write an address in a bucket as {right}, and pass it as a str (a Path drops a slash)"
        )
    if _SPECIAL.search(key):
        raise UserError(f"{what} is {text}: an address in a bucket may not contain ? # * [ or ]")
    return right


def absolute(what: str, place: str | os.PathLike[str]) -> str:
    """Returns an address as `bucket_address` does, and a path as an absolute path; errors as there."""
    return bucket_address(what, place) or str(Path(place).expanduser().absolute())


def full_name(what: str, place: str | os.PathLike[str]) -> str:
    """Returns the name of a folder in messages: an address as `bucket_address` does, a path without "." and ".."."""
    return bucket_address(what, place) or os.path.normpath(absolute(what, place))


def local_path(what: str, place: str | os.PathLike[str]) -> Path:
    """Returns a path of this machine, with ~ expanded.

    Raises:
        UserError: for any address.
    """
    if bucket_address(what, place):
        raise UserError(f"{what} is {os.fspath(place)}: it must be a path of this machine, not in a bucket")
    return Path(place).expanduser()


def last_part(folder: Path, address: str = "") -> str:
    """Returns the name of a folder without what it is in: of its address in a bucket, if it has one."""
    return PurePosixPath(address).name if address else folder.absolute().name


def make_folder(folder: Path) -> None:
    """Makes a folder, and those that it lies in, where they are missing; raises `UserError` where it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be used: {error.strerror}") from None


def check_checkpoint_folder(path: Path) -> None:
    """Raises `UserError` for an absolute path of checkpoints that orbax, or a library below it, takes for another.

    They encode names in UTF-8. * ? and [ are a pattern to them, so that checkpoints lose files, or get those of a run
    beside them; a backslash is a mistake, and /s3/box or gs:/box an address in a bucket.
    """
    text = str(path)
    try:
        alike = text.encode() == os.fsencode(path)
    except UnicodeError:
        alike = False
    hint = ""
    if not alike:
        hint = "" if sys.getfilesystemencoding() == "utf-8" else ", or set PYTHONUTF8=1"
        why = "is no UTF-8 here"
    elif _PATTERN.search(text):
        why = "has * ? or [, which checkpoints take for a pattern"
    elif os.name == "posix" and "\\" in text:
        why = "has a backslash"
    elif os.name == "posix" and (_WITHIN.search(text) or _as_checkpoints_read(text) != text):
        why = "checkpoints take for an address in a bucket"
    else:
        return
    raise UserError(
        f"checkpoints cannot be kept under the name {path}, which {why}: give the folder another name{hint}"
    )


def _as_checkpoints_read(path: str) -> str:
    from etils import epath  # takes long to import

    return os.fspath(epath.Path(path))
