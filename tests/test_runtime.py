import logging
import subprocess
import sys

import pytest

from jaxcnn import runtime

SCRIPT = """
from jaxcnn import runtime
runtime.configure()
import os, jax
print(sorted(runtime.settings()))
print(runtime.announcement())
print(os.environ.get("XLA_FLAGS"), jax.config.jax_compilation_cache_dir)
print(jax.config.jax_persistent_cache_min_compile_time_secs)
"""
FLAG = "--xla_cpu_experimental_ynn_fusion_type=individual_dot"


def configured(tmp_path, **environment):
    """Returns what a fresh process prints, whose environment has nothing else."""
    environment |= {"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_everything_is_set_where_the_user_sets_nothing(tmp_path):
    names, told, values, kept_from = configured(tmp_path, JAX_PLATFORMS="cpu")
    assert names == "['XLA_FLAGS', 'compilation cache', 'garbage collection', 'malloc']"
    assert values.startswith(f"{FLAG} {tmp_path}/.cache/jaxcnn/programs-")
    assert told.startswith(f"compiled programs are kept in {tmp_path}/.cache/jaxcnn/programs-")
    assert kept_from == "0.05"
    assert told.endswith(
        "for speed: garbage collection every 200,000 objects and "
        f"XLA_FLAGS {FLAG} and malloc no mmap, no trim, one arena (off: JAXCNN_TUNING=off)"
    )


@pytest.mark.parametrize(
    ("environment", "names", "values"),
    [
        ({"JAXCNN_TUNING": "off"}, "['compilation cache']", "None {}/.cache/jaxcnn/programs-"),
        ({"JAXCNN_TUNING": "Off"}, "['compilation cache']", "None {}/.cache/jaxcnn/programs-"),
        ({"JAX_PLATFORMS": "cuda"}, "['compilation cache', 'garbage collection']", "None {}/.cache/jaxcnn/programs-"),
        ({"MALLOC_ARENA_MAX": "4"}, "['XLA_FLAGS', 'compilation cache', 'garbage collection']", FLAG),
        ({"JAX_COMPILATION_CACHE_DIR": "/x"}, "['XLA_FLAGS', 'garbage collection', 'malloc']", f"{FLAG} /x"),
        ({"JAX_ENABLE_COMPILATION_CACHE": "F"}, "['XLA_FLAGS', 'garbage collection', 'malloc']", f"{FLAG} None"),
        ({"JAX_ENABLE_COMPILATION_CACHE": "false"}, "['XLA_FLAGS', 'garbage collection', 'malloc']", f"{FLAG} None"),
        (
            {"XDG_CACHE_HOME": "/c"},
            "['XLA_FLAGS', 'compilation cache', 'garbage collection', 'malloc']",
            f"{FLAG} /c/jaxcnn/programs-",
        ),
        (
            {"XLA_FLAGS": "--xla_cpu_experimental_ynn_fusion_type="},
            "['compilation cache', 'garbage collection', 'malloc']",
            "--xla_cpu_experimental_ynn_fusion_type= {}",
        ),
    ],
)
def test_what_the_user_has_set_stays(tmp_path, environment, names, values):
    found = configured(tmp_path, **{"JAX_PLATFORMS": "cpu"} | environment)
    assert found[0] == names
    assert ("JAXCNN_TUNING" in found[1]) == ("garbage" in names)
    assert found[2].startswith(values.format(tmp_path))


def test_programs_that_are_kept_elsewhere_are_those_that_the_user_or_jax_chooses(tmp_path):
    assert configured(tmp_path, JAX_PLATFORMS="cpu", JAX_COMPILATION_CACHE_DIR="/x")[3] == "1.0"
    assert configured(tmp_path, JAX_PLATFORMS="cpu", JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="3")[3] == "3.0"


BEGUN = """
from jaxcnn import runtime
runtime.begin()
runtime.configure()
import os, sys
print(os.environ.get("GLIBC_TUNABLES"), sys.argv[1:], runtime.settings().get("malloc"))
"""


@pytest.mark.parametrize(
    ("environment", "printed"),
    [
        ({}, f"{runtime._TUNABLES} ['a b'] no mmap, no trim, one arena, no caches"),
        ({"JAXCNN_TUNING": "off"}, "None ['a b'] None"),
        ({"JAX_PLATFORMS": "cuda"}, "None ['a b'] None"),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}, "glibc.malloc.arena_max=2 ['a b'] None"),
        ({"MALLOC_ARENA_MAX": "4"}, "None ['a b'] None"),
    ],
)
def test_a_process_begins_anew_once_where_nothing_is_set_for_malloc(tmp_path, environment, printed):
    environment = {"JAX_PLATFORMS": "cpu", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)} | environment
    command = [sys.executable, "-c", BEGUN, "a b"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"{printed}\n"


def test_where_beginning_anew_fails_it_goes_on(monkeypatch):
    def refused(*_):
        raise PermissionError

    monkeypatch.setattr("os.execve", refused)
    runtime.begin({"JAX_PLATFORMS": "cpu"})


def test_other_flags_of_the_users_stay_beside_ours():
    environment = {"XLA_FLAGS": "--xla_dump_to=/x"}
    runtime._choose_convolutions(environment)
    assert environment["XLA_FLAGS"] == f"--xla_dump_to=/x {FLAG}"


def test_a_file_of_flags_stays_the_users():
    environment = {"XLA_FLAGS": "/home/me/flags.txt"}
    runtime._choose_convolutions(environment)
    assert environment == {"XLA_FLAGS": "/home/me/flags.txt"}


def test_the_driver_of_a_bucket_that_jax_keeps_programs_in_prints_no_pages():
    logger = logging.getLogger("gcsfs")
    before = logger.level
    logger.setLevel(logging.NOTSET)
    runtime.configure({})
    silent = not logger.isEnabledFor(logging.CRITICAL)
    logger.setLevel(before)
    assert silent


def test_a_plugin_without_its_device_is_not_what_computes(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in ("libtpu", "jax_cuda12_plugin"))
    there = []
    monkeypatch.setattr("glob.glob", lambda pattern: there if pattern == "/dev/vfio/*" else [])
    assert runtime._computes_on_cpu({})
    there.append("/dev/vfio/0")
    assert not runtime._computes_on_cpu({})
    assert runtime._computes_on_cpu({"JAX_PLATFORMS": "cpu"})


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    def nowhere():
        raise RuntimeError("no home")

    monkeypatch.setattr("pathlib.Path.home", nowhere)
    environment = {}
    runtime._keep_programs(environment)
    assert environment == {}


def test_a_jaxlib_that_does_not_know_the_flag_gets_none(monkeypatch):
    monkeypatch.setattr("jaxcnn.xla_flags.known", lambda *_: [])
    environment = {}
    runtime._choose_convolutions(environment)
    assert environment == {}


def test_too_late_is_too_late(monkeypatch):
    import jax  # noqa: F401

    environment = {}
    runtime.configure(environment)
    assert environment == {"TF_CPP_MIN_LOG_LEVEL": "1"}


COMPILING = """
from jaxcnn import runtime
runtime.configure()
import warnings, jax
for function in (jax.numpy.sin, jax.numpy.cos, jax.numpy.tan):
    jax.jit(function)(1.0).block_until_ready()
warnings.warn("another")
"""


def compiling(folder, environment):
    environment = {"JAX_PLATFORMS": "cpu", "HOME": str(folder), "PYTHONPATH": ":".join(sys.path)} | environment
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    done = subprocess.run(
        [sys.executable, "-c", COMPILING], env=environment, capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    ours, others = ([line for line in lines if ("jaxcnn:" in line) is which] for which in (True, False))
    assert all("another" in line for line in others)
    assert others
    return ours


@pytest.mark.parametrize("name", ["JAX_COMPILATION_CACHE_DIR", "HOME"])
def test_a_cache_that_cannot_be_written_is_one_line(tmp_path, name):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    (line,) = compiling(tmp_path, {name: str(tmp_path / "file")})
    assert line.startswith(f"jaxcnn: not all compiled programs can be kept in {tmp_path / 'file'}")
    assert "exists" in line or "Not a directory" in line
    assert line.endswith("; empty it, or set JAX_COMPILATION_CACHE_DIR to another")


def test_damaged_programs_in_the_cache_are_one_line(tmp_path):
    kept = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "kept")}
    assert compiling(tmp_path, kept) == []
    for program in (tmp_path / "kept").glob("*-cache"):
        program.write_bytes(program.read_bytes()[:100])
    (line,) = compiling(tmp_path, kept)
    assert line.startswith(f"jaxcnn: not all compiled programs can be kept in {tmp_path / 'kept'}, or used again: ")


PROGRAMS = """
from jaxcnn import runtime
runtime.configure()
import jax, jax.numpy as jnp
def conv(x):
    axes = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, jnp.ones((3, 3, 16, 16)), (1, 1), "SAME", dimension_numbers=axes)
def differences(x): return (jnp.diff(x, axis=1) ** 2).sum()
def product(x): return x.reshape(-1, 16) @ jnp.ones((16, 16))
for function in (conv, differences, product):
    print(function.__name__, "ynn_fusion" in jax.jit(function).lower(jnp.ones((8, 28, 28, 16))).compile().as_text())
"""


def test_of_products_convolutions_and_sums_xlas_newer_library_has_the_products(tmp_path):
    environment = {"JAX_PLATFORMS": "cpu", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAMS], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["conv False", "differences False", "product True"]
