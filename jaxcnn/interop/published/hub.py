"""Files of repositories on the Hugging Face Hub, by huggingface_hub, its cache and its settings."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from jaxcnn.errors import UserError

PREFIX = "hf:"
_PART = r"\b(?:(?!--|\.\.)[\w.-])+\b"
"""An owner or a name, by the Hub's rules."""
_NAME = re.compile(rf"hf(?:-hub)?:(?P<repository>{_PART}/{_PART})(?:@(?P<revision>[\w./-]+))?")
_MEANT = re.compile(r"(?:hf://|hf(?:-hub)?:|https?://(?:www\.)?(?:huggingface\.co|hf\.co)/)(?P<rest>.*)")
"""Other ways in which a repository is named."""


class HubName(NamedTuple):
    """A repository, as `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` names it."""

    repository: str
    revision: str | None
    """A branch, tag or commit; None for the main branch."""

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def hub_name(text: str) -> HubName | None:
    """Returns the repository that a text names; None for a path.

    Raises:
        UserError: for a repository that is named in another way.
    """
    if found := _NAME.fullmatch(text):
        return HubName(found["repository"], found["revision"])
    if found := _MEANT.fullmatch(text):
        parts = found["rest"].partition("@")[0].split("/")
        meant = f"{PREFIX}{'/'.join(parts[:2])}"
        right = meant if _NAME.fullmatch(meant) else f"{PREFIX}OWNER/NAME"
        raise UserError(f"{text} is no name of a repository: write {right}, with @REVISION behind it if it is not main")
    return None


class UnreachableError(UserError):
    """The Hub cannot be asked for a file, and its cache does not have it."""


def fetch(name: HubName, file: str, *, cached: bool = False) -> Path | None:
    """Returns the path of a file in the Hub's cache, downloaded if need be; None if the repository has no such file.

    Args:
        name: of the repository.
        file: its name there.
        cached: whether to look in the cache alone.

    Raises:
        UnreachableError: without network, or with HF_HUB_OFFLINE, for a file that is not in the cache.
        UserError: if there is no such repository or revision, access is refused, or huggingface_hub is not installed.
    """
    hub, constants, errors = _library()
    silence = None if cached or constants.HF_HUB_OFFLINE else _asked_once(hub, constants, name, file)
    alone = cached or silence is not None  # huggingface_hub itself would ask for half a minute
    try:
        return Path(hub.hf_hub_download(name.repository, file, revision=name.revision, local_files_only=alone))
    except errors.GatedRepoError:
        line = f"{name} is gated: accept its terms on its page, and log in with `hf auth login` or set HF_TOKEN"
    except errors.RepositoryNotFoundError:
        line = f"the Hub has no repository {name.repository}, or it is private: `hf auth login` or HF_TOKEN opens those"
    except errors.RevisionNotFoundError:
        line = f"{name.repository} has no revision {name.revision!r}"
    except errors.LocalEntryNotFoundError as error:
        raise UnreachableError(_unreachable(constants, name, file, silence or error)) from None
    except errors.EntryNotFoundError:
        return None
    except Exception as error:  # of the network, the disk or the library
        line = f"{file} of {name} cannot be downloaded: {_told(error)}"
    raise UserError(line)


def _asked_once(hub: Any, constants: Any, name: HubName, file: str) -> Exception | None:
    """Returns why the Hub does not answer when it is asked for a file, once; None if it does, also with a refusal."""
    try:
        address = hub.hf_hub_url(name.repository, file, revision=name.revision)
        hub.get_hf_file_metadata(address, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except Exception as error:  # those of the network are of the package that speaks HTTP, whichever it is
        return None if type(error).__module__.startswith("huggingface_hub.") else error
    return None


def _library() -> tuple[Any, Any, Any]:
    """Returns huggingface_hub, its constants and its errors; raises `UserError` where it is not installed."""
    try:
        import huggingface_hub
        from huggingface_hub import constants, errors
    except ImportError:
        raise UserError(f"{PREFIX} needs huggingface_hub: pip install 'jaxcnn[hub]'") from None
    return huggingface_hub, constants, errors


def _unreachable(constants: Any, name: HubName, file: str, error: Exception) -> str:
    cause = error.__cause__ or error
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"the Hub does not answer ({_told(cause)})"
    return f"{why}, and {file} of {name} is not in the cache {constants.HF_HUB_CACHE}"


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
