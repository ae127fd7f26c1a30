"""No flag of ours may end a process: XLA does that for one that it does not know."""

import importlib.machinery
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jaxcnn import xla_flags

ROOT = Path(__file__).parents[1]
OURS = sorted({
    flag.rstrip("=")
    for path in [*ROOT.glob("jaxcnn/**/*.py"), *ROOT.glob("tests/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]
    for flag in re.findall(r"--xla_\w+=[\w.-]+", path.read_text(encoding="utf-8"))
})  # fmt: skip


def in_a_process(flags):
    """Starts XLA with these flags; returns the exit status."""
    environment = os.environ | {"XLA_FLAGS": " ".join(flags)}
    return subprocess.run(
        [sys.executable, "-c", "import jax; jax.devices()"], env=environment, capture_output=True
    ).returncode


def test_the_installed_jaxlib_takes_all_that_it_is_said_to_know():
    option = "--xla_cpu_optimize_for_size=true"  # of the code for CPUs: its name is a string there, and it is no flag
    flags = xla_flags.known(*OURS, "--xla_no_such_flag=1", option)
    assert "--xla_cpu_experimental_ynn_fusion_type=individual_dot" in flags
    assert "--xla_no_such_flag=1" not in flags
    assert in_a_process(flags) == 0


@pytest.fixture
def library(monkeypatch, tmp_path):
    """Stands for jaxlib: the largest of its files is its library."""
    spec = importlib.machinery.ModuleSpec("jaxlib", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr("importlib.util.find_spec", {"jaxlib": spec}.get)
    (tmp_path / "__init__.py").write_bytes(b"\0xla_gone\0")
    (tmp_path / "mlir").mkdir()
    content = b"\0xla_kept\0help\0xla_word\0KIND_OF_WORD\0 R\x08xla_gone set_xla_goneEv\0no_xla_gone\0xla_part\0"
    content += b"\n\x08xla_kept\x18\x01 \x01\n\x08xla_word\x18\x02 \x01"  # fields
    (tmp_path / "libjax_common.so").write_bytes(content)


@pytest.mark.usefixtures("library")
def test_a_flag_is_known_where_name_and_word_are_strings_of_the_library_and_it_is_a_field():
    flags = ["--xla_kept=true", "--xla_kept=-1", "--xla_kept=", "--xla_word=of_word"]
    assert xla_flags.known("--xla_gone=true", *flags, "--xla_word=other", "--xla_kep=1", "--xla_part=1") == flags


def test_without_jaxlib_none_is_known(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert xla_flags.known("--xla_backend_optimization_level=0") == []


def test_flags_of_a_file_are_those_of_its_text(tmp_path):
    (tmp_path / "flags.txt").write_text("--xla_dump_to=/x\n--xla_backend_optimization_level=0\n")
    flags = xla_flags.spelt_out(f" {tmp_path}/flags.txt ")
    assert flags.split() == ["--xla_dump_to=/x", "--xla_backend_optimization_level=0"]
    assert xla_flags.spelt_out(" --xla_dump_to=/x") == "--xla_dump_to=/x"
    assert xla_flags.spelt_out("") == ""
