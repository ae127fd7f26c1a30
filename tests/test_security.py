"""Nothing that is read can run: what the package's source never does."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxcnn"
UNSAFE_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "jsonpickle",
    "yaml",
}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
OWN_MODULES = {
    "__init__.py",
    "__main__.py",
    "commands/benchmark.py",
    "commands/registry.py",
    "config/setting.py",
    "data/sets/writing.py",
    "interop/reference.py",
    "models/registry.py",
}
"""Files that import modules of the package by the names in their own tables."""
NEEDED = {  # a call that ends so -> the keyword and value that make it safe
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "torch.load": ("weights_only", True),
    ".extract": ("filter", "data"),  # of a tar archive: refuses paths and links that lead out of the folder
    ".extractall": ("filter", "data"),
}


def unsafe(source):
    """Returns the lines of what could run foreign code, or write outside of a folder, with what it is."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names if name.name.split(".")[0] in UNSAFE_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE_MODULES:
            found.append((node.lineno, node.module))
        elif isinstance(node, ast.Call):
            found += [(node.lineno, what) for what in _call(node)]
    return found


def _call(node):
    name = ast.unparse(node.func)
    keywords = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
    if name in UNSAFE_CALLS or name in ("os.system", "os.popen", "shutil.unpack_archive") or keywords.get("shell"):
        yield name
    if name == "importlib.import_module" and not isinstance(node.args[0], ast.Constant):
        yield name
    if keywords.get("allow_pickle"):
        yield f"{name}(allow_pickle)"
    for end, (word, value) in NEEDED.items():
        if (name.endswith(end) if end[0] == "." else name == end) and keywords.get(word) != value:
            yield name


def test_no_line_of_the_package_runs_what_it_reads_or_unpacks_beyond_its_folder():
    found = {str(path.relative_to(PACKAGE)): unsafe(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert len(found) > 50
    restricted = found.pop(
        "data/sets/archives/pickles.py"
    )  # CIFAR's own format: every name but NumPy's is refused unread
    assert [what for _, what in restricted] == ["pickle"]
    imports = {path for path, lines in found.items() if "importlib.import_module" in {what for _, what in lines}}
    assert imports == {*OWN_MODULES, "parts.py"}  # a path of a config is imported: the user asks for it by its name
    assert {what for path in imports for _, what in found.pop(path)} == {"importlib.import_module"}
    configs = found.pop("config/file.py")  # a config in Python is a program, which the user asks for by its name
    assert [what for _, what in configs] == ["exec", "compile"]
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from yaml import load", "eval('1')", "exec(text)", "np.load(path)", "x(allow_pickle=True)",
     "np.load(path, allow_pickle=True)", "torch.load(path)", "torch.load(path, weights_only=False)", "os.system('ls')",
     "importlib.import_module(name)",
     "archive.extractall(path)", "tarfile.open(path).extract(name)", "subprocess.run('ls', shell=True)"],
)  # fmt: skip
def test_the_scan_sees(source):
    assert unsafe(source)


@pytest.mark.parametrize(
    "source",
    ["np.load(path, allow_pickle=False)", "torch.load(path, weights_only=True)", "ast.literal_eval(text)",
     "archive.extractall(path, filter='data')", "re.compile(text)", "model.eval()",
     "importlib.import_module('jax')"],
)  # fmt: skip
def test_the_scan_lets_pass(source):
    assert not unsafe(source)
