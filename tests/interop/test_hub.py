"""`hf:OWNER/NAME`: downloads from a server of this test that answers as the Hub does, and from the Hub's cache."""

import hashlib
import http.server
import importlib
import json
import logging
import shutil
import sys
import threading
import time
from types import SimpleNamespace
from typing import ClassVar

import jax
import numpy as np
import pytest

import jaxcnn
from jaxcnn.commands import import_weights
from jaxcnn.errors import UserError
from jaxcnn.evaluation.subject import open_subject
from jaxcnn.exporting import export
from jaxcnn.inside.opened import open_net
from jaxcnn.interop.published import hub
from jaxcnn.train.source import open_weights
from tests.interop.timm_folders import PLACE

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORIES = {"lab/dense": PLACE / "dense", "lab/squashed": PLACE / "squashed", "lab/gated": None}


class Answers(http.server.BaseHTTPRequestHandler):
    """Gives the files of the repositories; of the rest the errors that the Hub's own library knows."""

    asked: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self):
        owner, name, _, revision, file = self.path.strip("/").split("/", 4)
        self.asked.append((self.command, file))
        repository = f"{owner}/{name}"
        folder = REPOSITORIES.get(repository)
        if repository not in REPOSITORIES:
            return self._answer(404, {"X-Error-Code": "RepoNotFound"})
        if folder is None:
            return self._answer(403, {"X-Error-Code": "GatedRepo"})
        if revision not in ("main", COMMIT):
            return self._answer(404, {"X-Error-Code": "RevisionNotFound"})
        if not (folder / file).is_file():
            return self._answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        content = (folder / file).read_bytes()
        return self._answer(200, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}, content)

    do_HEAD = do_GET  # noqa: N815 - what the server calls

    def _answer(self, status, headers, content=b""):
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    """The address of a server on this machine."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def at(address):
    """Returns the constants of the Hub's library that say where the Hub is."""
    return {"ENDPOINT": address, "HUGGINGFACE_CO_URL_TEMPLATE": address + "/{repo_id}/resolve/{revision}/{filename}"}


@pytest.fixture
def constants(server, tmp_path, monkeypatch):
    """Returns a function that sets constants of the Hub's library, which asks the server and has an empty cache."""
    library = pytest.importorskip("huggingface_hub.constants")

    def become(**values):
        for name, value in values.items():
            monkeypatch.setattr(library, name, value)

    become(HF_HUB_CACHE=str(tmp_path / "cache"), HF_HUB_OFFLINE=False, **at(server))
    monkeypatch.setattr(Answers, "asked", [])
    return become


def imported(name, folder, *further):
    """Runs the command; returns `model.json`."""
    assert import_weights.main(["densenet121", name, "--output", str(folder), *further]) == 0
    return json.loads((folder / "model.json").read_text())


def test_a_repository_is_the_same_as_its_folder(constants, tmp_path, capsys):
    card = imported("hf:lab/dense", tmp_path / "net")
    assert f"read: config.json and model.safetensors of hf:lab/dense, commit {COMMIT[:12]}\n" in capsys.readouterr().out
    source = card["source"]
    assert (source.pop("repository"), source.pop("revision")) == ("lab/dense", COMMIT)
    assert card == imported(str(PLACE / "dense"), tmp_path / "same")
    assert [file for kind, file in Answers.asked if kind == "GET"] == ["config.json", "model.safetensors"]


def test_the_names_that_are_tried(constants, tmp_path, capsys):
    imported("hf-hub:lab/squashed@main", tmp_path / "net")
    line = "read: config.json and pytorch_model.bin (there is no model.safetensors) of hf:lab/squashed@main, commit"
    assert line in capsys.readouterr().out


def test_without_a_network_the_cache_is_read(constants, tmp_path):
    first = imported("hf:lab/squashed", tmp_path / "first")
    constants(HF_HUB_OFFLINE=True)
    Answers.asked.clear()
    assert imported("hf:lab/squashed", tmp_path / "second") == first
    assert Answers.asked == []
    cache = tmp_path / "cache"
    with pytest.raises(
        UserError, match=rf"^HF_HUB_OFFLINE is set, and config.json of hf:lab/dense .* the cache {cache}$"
    ):
        imported("hf:lab/dense", tmp_path / "third")
    (weights,) = cache.rglob("pytorch_model.bin")
    weights.unlink()
    with pytest.raises(UserError, match=r"^HF_HUB_OFFLINE is set, and model.safetensors of hf:lab/squashed@0123"):
        imported("hf:lab/squashed", tmp_path / "third")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hf:lab/none", "the Hub has no repository lab/none, or it is private: `hf auth login` or HF_TOKEN"),
        ("hf:lab/gated", "hf:lab/gated is gated: accept its terms on its page, and log in"),
        ("hf:lab/dense@old", "lab/dense has no revision 'old'"),
    ],
)
def test_what_the_hub_refuses_is_one_line(constants, tmp_path, name, says):
    with pytest.raises(UserError, match=rf"\A{says}[^\n]*\Z"):
        imported(name, tmp_path / "net")


@pytest.mark.parametrize("name", ["hf:../dense", "hf:lab/..dense", "hf:lab/a--b", "hf:lab/a..b", "hf:lab/dense-"])
def test_what_is_no_name_by_the_rules_of_the_hub_is_not_asked_for(name):
    with pytest.raises(UserError, match=rf"^{name} is no name of a repository: write hf:OWNER/NAME, with @REVISION"):
        hub.hub_name(name)


def test_weights_of_another_net_are_not_downloaded(constants, tmp_path):
    with pytest.raises(
        UserError, match=r"config\.json of hf:lab/dense, of timm's densenet121, says .* not of resnet18$"
    ):
        import_weights.main(["resnet18", "hf:lab/dense", "--output", str(tmp_path / "net")])
    assert {file for _, file in Answers.asked} == {"config.json"}


def test_a_repository_without_a_description(constants, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setitem(REPOSITORIES, "lab/dense", empty)
    with pytest.raises(UserError, match=r"^hf:lab/dense has no config\.json, by which timm says"):
        imported("hf:lab/dense", tmp_path / "net")
    shutil.copy(PLACE / "dense" / "config.json", empty)
    with pytest.raises(UserError, match=r"^hf:lab/dense has no weights under any of the names that were tried: model"):
        imported("hf:lab/dense", tmp_path / "net")


def test_a_hub_that_does_not_answer_is_asked_once_and_one_line_says_so(constants, tmp_path, monkeypatch, caplog):
    constants(**at("http://127.0.0.1:9"))
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)  # between the library's own tries
    caplog.set_level("WARNING", "huggingface_hub")
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)
    with pytest.raises(UserError, match=r"^the Hub does not answer \(.*\), and config\.json of hf:lab/dense is not in"):
        imported("hf:lab/dense", tmp_path / "net")
    assert (waits, caplog.records) == ([], [])


def test_the_hub_is_asked_in_vain_once(constants, tmp_path, monkeypatch):
    imported("hf:lab/squashed", tmp_path / "first")
    constants(**at("http://127.0.0.1:9"))
    tries = []
    library = importlib.import_module("huggingface_hub")
    ask = library.get_hf_file_metadata

    def counted(address, **further):
        tries.append(address.rpartition("/")[2])
        return ask(address, **further)

    monkeypatch.setattr(library, "get_hf_file_metadata", counted)
    imported("hf:lab/squashed", tmp_path / "second")
    assert tries == ["config.json", "model.safetensors"]  # and not pytorch_model.bin


@pytest.fixture
def weights_cache(constants, tmp_path, monkeypatch):
    """The folder of weights that are imported by name alone."""
    monkeypatch.setenv("JAXCNN_WEIGHTS_CACHE", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_a_name_does_in_place_of_a_run(weights_cache, constants, tmp_path, capsys):
    imported("hf:lab/dense", tmp_path / "net")
    capsys.readouterr()
    by_name, by_folder = open_subject("hf:lab/dense"), open_subject(tmp_path / "net")
    assert by_name.name == "hf:lab/dense"
    assert (by_name.model, by_name.class_names) == (by_folder.model, by_folder.class_names)
    assert by_name.preprocessing == by_folder.preprocessing
    jax.tree.map(np.testing.assert_array_equal, by_name.members, by_folder.members)
    printed, said = capsys.readouterr()
    [kept] = [each for each in weights_cache.iterdir() if each.is_dir()]
    assert not printed
    assert f"commit {COMMIT[:12]}\n" in said
    assert said.endswith(f"densenet121 is kept in {kept}\n")


def test_a_name_is_imported_once_and_needs_no_network_then(weights_cache, constants, capsys):
    first = open_weights("hf:lab/dense")
    constants(HF_HUB_OFFLINE=True)
    Answers.asked.clear()
    capsys.readouterr()
    again = open_weights("hf:lab/dense")
    assert again.net == first.net
    assert again.net.name == "hf:lab/dense"
    assert open_net("hf:lab/dense").model == open_subject("hf:lab/dense").model
    assert Answers.asked == []
    assert capsys.readouterr() == ("", "")


def test_a_name_is_exported_like_a_folder(weights_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "check", lambda *_: SimpleNamespace(card=dict))  # for which the net would be compiled
    card = jaxcnn.export("hf:lab/dense", tmp_path / "net.safetensors", format="safetensors")
    assert (card["model"], card["source"]) == ("densenet121", {"folder": "dense"})
    assert import_weights.main(["densenet121", card["files"][0], "--output", str(tmp_path / "net")]) == 0


def test_a_name_whose_net_is_none_of_ours(weights_cache, monkeypatch, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    shutil.copy(PLACE / "configs" / "resnet50d.ra2_in1k.json", folder / "config.json")
    monkeypatch.setitem(REPOSITORIES, "lab/other", folder)
    with pytest.raises(UserError, match=r"^timm's resnet50d is no net of ours: its stem has three 3x3 convolutions"):
        open_subject("hf:lab/other")
    assert not weights_cache.exists() or not any(each.is_dir() for each in weights_cache.iterdir())


def test_the_library_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"^hf: needs huggingface_hub: pip install 'jaxcnn\[hub\]'$"):
        hub.fetch(hub.HubName("lab/dense", None), "config.json")
