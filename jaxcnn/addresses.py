"""Where things lie: paths of this machine and addresses of buckets, told apart before anything is made of either."""

import os
import posixpath
import re
from pathlib import Path

from jaxcnn.errors import UserError

BUCKETS = ("gs", "s3")
"""Schemes that are understood: Google Cloud Storage; Amazon S3 and what speaks like it."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/*)(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SPECIAL = re.compile(r"[?#*\[\]]")
"""What libraries read as versions or patterns."""


def bucket_address(what: str, place: str | os.PathLike[str]) -> str | None:
    """Returns SCHEME://BUCKET/PATH, without needless slashes, where `place` is an address in a bucket; None for a path.

    Args:
        what: what a message calls it, as "--workdir".
        place: what the user has given.

    Raises:
        UserError: for an address of another scheme, or one that is written wrongly: it would else become a folder of
            that name.
    """
    text = os.fspath(place)
    found = _SCHEME.fullmatch(text)
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
        f"{what} is {text}: of addresses, only {' and '.join(f'{known}://' for known in BUCKETS)} are understood"
    )


def _checked(what: str, text: str, scheme: str, slashes: str, bucket: str, key: str) -> str:
    key = posixpath.normpath(f"/{key}").lstrip("/")
    named = _BUCKET.fullmatch(bucket) is not None
    right = "/".join(filter(None, (f"{scheme.lower()}://{bucket}" if named else f"{scheme.lower()}://BUCKET", key)))
    if scheme not in BUCKETS or slashes != "//" or not named:
        raise UserError(
            f"{what} is {text}: an address in a bucket is written as {right}, and given as text (a Path drops a slash)"
        )
    if _SPECIAL.search(key):
        raise UserError(f"{what} is {text}: an address in a bucket has none of ? # * [ ]")
    return right


def absolute(what: str, place: str | os.PathLike[str]) -> str:
    """Returns an address as it is, and a path of this machine from its root on; errors as of `bucket_address`."""
    return bucket_address(what, place) or str(Path(place).expanduser().absolute())


def local_path(what: str, place: str | os.PathLike[str]) -> Path:
    """Returns a path of this machine, with ~ expanded.

    Raises:
        UserError: for an address, as in `bucket_address`, or one in a bucket.
    """
    if bucket_address(what, place):
        raise UserError(f"{what} is {os.fspath(place)}: it must be a path of this machine, not in a bucket")
    return Path(place).expanduser()
