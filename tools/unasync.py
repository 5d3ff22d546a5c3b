"""Generate the sync code of a project from its async code, or check that it is up to date.

The rules are the section ``[tool.arqade-unasync]`` of ``pyproject.toml``, where ``directories`` are
sources and targets, ``modules`` and ``names`` are old and new ones, ``leftovers`` is a regex of
words that must not be in generated text, and ``allowed`` has those that are meant in a source file.

Structure is changed on the syntax tree: keywords, ``Awaitable[T]``, ``if True:  # ASYNC``. Renames
are made in the text, since a renamed word is renamed everywhere: in code, strings and comments.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

import libcst as cst
from libcst.helpers import get_full_name_for_node
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SECTION: Final = "tool.arqade-unasync"
HEADER: Final = '# Generated from {} by "make generate"; do not edit.\n'

_NAME: Final = r"[^\W\d]\w*"
# The tables of the settings: what an entry is, the type of its value, and the form of its words.
_TABLES: Final = {
    "directories": ("two paths inside the project", str, r"(?!/|(?:.*/)?\.\.?(?:/|$)).*[^/]"),
    "modules": ("two dotted names", str, rf"{_NAME}(?:\.{_NAME})*"),
    "names": ("two identifiers", str, _NAME),
    "allowed": ("a path and a list of words", list, r".+"),
}
# The letter of an escape such as \n is no part of the word after it.
_ESCAPE: Final = r"(?<!\\)\\[abfnrtv]"
_START: Final = rf"(?:(?<!\w)|(?<={_ESCAPE}))"
# Keywords of code in prose, with the article before them: "an async with block" is "a with block".
# An "await" without a call after it may be prose, and is left to `leftovers`.
_CODE_IN_TEXT: Final = re.compile(
    rf"{_START}(?:([Aa])n(\s+`*))?"
    r"(?:async +(?=(?:def|for|with)\b)|await +(?=[\w.]*\w[(\[]))"
)
_MARKER: Final = re.compile(r"# *ASYNC\b")
_MISPLACED: Final = re.compile(
    rf"^(?!\s*if True:\s*{_MARKER.pattern}).*{_MARKER.pattern}", re.MULTILINE
)
# Generic types that stand for their last parameter, with the number of parameters they take.
_TRANSPARENT: Final = {"Awaitable": 1, "Coroutine": 3}
_QUOTED_TYPE: Final = re.compile(rf"\b(?:{'|'.join(_TRANSPARENT)})\[")
# Changes leave behind imports, `noqa` and `TYPE_CHECKING` without a use, doubled members of
# unions, and an order that was right for the old names.
_REPAIRS: Final = "F401,I001,PYI016,RUF022,RUF023,RUF100,TC005"


class UnasyncError(Exception):
    """The sync code can't be generated.

    Args:
        problems: A message for each thing that is wrong, with its culprit.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))


# --- settings --------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """The settings of one project; paths are relative to its root, with slashes."""

    root: Path
    leftovers: re.Pattern[str]
    directories: Mapping[str, str]
    modules: Mapping[str, str]
    names: Mapping[str, str]
    allowed: Mapping[str, Sequence[str]]


def load_config(root: Path) -> Config:
    """Read the settings from a project's ``pyproject.toml``.

    Args:
        root: The project's directory.

    Raises:
        UnasyncError: If a setting is missing, unknown, or of a wrong type or form.
    """
    try:
        section = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        for key in SECTION.split("."):
            section = section[key]
        leftovers = re.compile(section["leftovers"])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UnasyncError(f"pyproject.toml: {error}") from error
    except KeyError as error:
        raise UnasyncError(f"pyproject.toml: {error} is missing in [{SECTION}]") from error
    except (TypeError, re.error) as error:
        raise UnasyncError(f"{SECTION}.leftovers: must be a regular expression: {error}") from error
    problems = [*_wrong_settings(section)] or [*_wrong_directories(root, section["directories"])]
    if problems:
        raise UnasyncError(*sorted(problems))
    return Config(root, leftovers, **{name: section[name] for name in _TABLES})


def _wrong_settings(section: dict[str, object]) -> Iterator[str]:
    for name in section.keys() - {"leftovers", *_TABLES}:
        yield f"{SECTION}: unknown setting {name!r}"
    for name, (form, kind, pattern) in _TABLES.items():
        table = section.setdefault(name, {})
        if not isinstance(table, dict):
            yield f"{SECTION}.{name}: must be a table, not {table!r}"
            continue
        for key, value in table.items():
            words = [key, *value] if isinstance(value, list) else [key, value]
            right = (isinstance(word, str) and re.fullmatch(pattern, word) for word in words)
            if not isinstance(value, kind) or not all(right):
                yield f"{SECTION}.{name}: {key!r} = {value!r} must be {form}"


def _wrong_directories(root: Path, directories: Mapping[str, str]) -> Iterator[str]:
    for source in directories:
        if not (root / source).is_dir():
            yield f"{SECTION}.directories: no directory {source}"
    # One inside another would make sources of outputs, or delete sources as orphans.
    for one, other in combinations([Path(p) for pair in directories.items() for p in pair], 2):
        if one.is_relative_to(other) or other.is_relative_to(one):
            yield f"{SECTION}.directories: {one} and {other} overlap"


# --- text and syntax -------------------------------------------------------------------


class Renames:
    """The rename rules as one substitution, and the record of their use.

    Args:
        modules: Dotted names to replace; one that follows a dot is part of another name.
        names: Words to replace.
    """

    def __init__(self, modules: Mapping[str, str], names: Mapping[str, str]) -> None:
        self.modules = modules
        self._targets = {**modules, **names}
        self.unused = {*self._targets}
        # The longest first, lest a package's rule hides the one of its module.
        rules = [rf"(?<!\.){re.escape(word)}" for word in sorted(modules, key=len, reverse=True)]
        rules += map(re.escape, names)
        self._pattern = re.compile(rf"{_START}(?:{'|'.join(rules) or '(?!)'})(?!\w)")

    def apply(self, text: str) -> str:
        """Return the text with all its words renamed, and note the rules that were used."""

        def rename(match: re.Match[str]) -> str:
            self.unused.discard(match[0])
            return self._targets[match[0]]

        return self._pattern.sub(rename, text)


def _code(*nodes: cst.CSTNode) -> str:
    return "".join(cst.Module([]).code_for_node(node) for node in nodes)


def _needs_brackets(node: cst.BaseExpression) -> bool:
    try:
        cst.parse_expression(_code(node))
    except cst.ParserSyntaxError:
        return True  # Its line breaks are those of the brackets around it.
    return False


class _Transformer(cst.CSTTransformer):
    """Take the async structure out of a module; the renames, foreseen here, come later."""

    def __init__(self, renames: Renames) -> None:
        super().__init__()
        self._modules = renames.modules
        self._rename = renames.apply

    @override
    def on_leave(
        self, original_node: cst.CSTNodeT, updated_node: cst.CSTNodeT
    ) -> cst.CSTNodeT | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNodeT]:
        if hasattr(updated_node, "asynchronous"):
            return updated_node.with_changes(asynchronous=None)
        return super().on_leave(original_node, updated_node)

    @override
    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:
        outer, inner = updated_node, updated_node.expression
        # What can be awaited binds as tightly as a name, so its brackets served `await` alone,
        # unless they hold a line break or a comment.
        if outer.lpar and ("#" in _code(*outer.lpar, *outer.rpar) or _needs_brackets(inner)):
            lpar, rpar = [*outer.lpar, *inner.lpar], [*inner.rpar, *outer.rpar]
            return inner.with_changes(lpar=lpar, rpar=rpar)
        return inner

    @override
    def leave_Subscript(
        self, original_node: cst.Subscript, updated_node: cst.Subscript
    ) -> cst.BaseExpression:
        name = get_full_name_for_node(updated_node.value) or ""
        last = updated_node.slice[-1].slice
        size = _TRANSPARENT.get(name.rpartition(".")[2])
        if size != len(updated_node.slice) or not isinstance(last, cst.Index):
            return updated_node
        if _needs_brackets(last.value):
            return last.value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return last.value

    @override
    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.BaseExpression:
        text = updated_node.raw_value
        if not _QUOTED_TYPE.search(text):
            return updated_node
        try:
            text = cst.parse_module(text).visit(self).code
        except cst.ParserSyntaxError:
            return updated_node  # It is prose.
        quote = updated_node.quote
        return updated_node.with_changes(value=f"{updated_node.prefix}{quote}{text}{quote}")

    @override
    def leave_If(
        self, original_node: cst.If, updated_node: cst.If
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement] | cst.RemovalSentinel:
        block = original_node.body
        comment = block.header.comment if isinstance(block, cst.IndentedBlock) else None
        if not comment or not _MARKER.match(comment.value):
            return updated_node
        match updated_node.orelse:
            case None:
                return cst.RemoveFromParent()
            case cst.Else(body=cst.IndentedBlock(body=[first, *others], footer=end)) as branch if (
                isinstance(first, cst.SimpleStatementLine | cst.BaseCompoundStatement)
                and not any(line.comment for line in end)
            ):
                lines = [*updated_node.leading_lines, *branch.leading_lines, *first.leading_lines]
                return cst.FlattenSentinel([first.with_changes(leading_lines=lines), *others])
            case _:
                return updated_node  # The marker that stays will tell.

    @override
    def leave_ImportAlias(
        self, original_node: cst.ImportAlias, updated_node: cst.ImportAlias
    ) -> cst.ImportAlias:
        name, alias = original_node.evaluated_name, original_node.evaluated_alias
        # `import redis as redis` would be a re-export, and `import redis.asyncio as redis` is none.
        if alias and alias != name and self._rename(alias) == self._rename(name):
            return updated_node.with_changes(asname=None)
        return updated_node

    @override
    def leave_ImportFrom(
        self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom
    ) -> cst.ImportFrom | cst.FlattenSentinel[cst.BaseSmallStatement]:
        names, module = updated_node.names, updated_node.module
        if isinstance(names, cst.ImportStar) or module is None or updated_node.relative:
            return updated_node
        package = get_full_name_for_node(module)
        full_names = [f"{package}.{alias.evaluated_name}" for alias in names]
        if not self._modules.keys() & full_names:
            return updated_node
        # A module may move to where the other names don't, so each gets a statement of its own.
        return cst.FlattenSentinel(map(self._import, full_names, names))

    def _import(self, full_name: str, alias: cst.ImportAlias) -> cst.BaseSmallStatement:
        package, _, name = full_name.rpartition(".")
        bound = alias.evaluated_alias or name
        if full_name in self._modules:
            package, _, name = self._rename(full_name).rpartition(".")
        same = self._rename(bound) == self._rename(name)
        text = f"import {name}" if same else f"import {name} as {bound}"
        line = cst.parse_statement(f"from {package} {text}" if package else text)
        return cst.ensure_type(line, cst.SimpleStatementLine).body[0]


# --- files -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Output:
    """A generated file: its path, the path and the text it is made from, and its own text."""

    target: str
    source: str
    original: str
    text: str


def generate(config: Config) -> list[Output]:
    """Make all generated files, in memory.

    Raises:
        UnasyncError: If a source can't be read, a leftover remains, or a setting is not needed.
    """
    renames = Renames(config.modules, config.names)
    pairs = [
        (source, target + source.removeprefix(folder))
        for folder, target in config.directories.items()
        for source in _modules_in(config.root, folder)
    ]
    with ThreadPoolExecutor() as pool:  # Most of the time goes to waiting for ruff.
        outputs = list(pool.map(lambda pair: _generate_file(config, renames, *pair), pairs))
    problems = []
    unneeded = {(file, word) for file, words in config.allowed.items() for word in words}
    for output in outputs:
        for word, message in _leftovers(config.leftovers, output):
            if word in config.allowed.get(output.source, ()):
                unneeded.discard((output.source, word))
            else:
                problems.append(message)
    problems += (f"{SECTION}: {rule!r} matches nothing" for rule in sorted(renames.unused))
    problems += (
        f"{SECTION}.allowed: {word!r} is not needed for {file}" for file, word in sorted(unneeded)
    )
    if problems:
        raise UnasyncError(*problems)
    return outputs


def _modules_in(root: Path, folder: str) -> list[str]:
    paths = (path.relative_to(root) for path in (root / folder).rglob("*.py"))
    return sorted(path.as_posix() for path in paths if "__pycache__" not in path.parts)


def _generate_file(config: Config, renames: Renames, source: str, target: str) -> Output:
    try:
        original = (config.root / source).read_text("utf-8")
        if wrong := _MISPLACED.search(original):
            raise UnasyncError(f"{source}: not an `if True:` of its own: {wrong[0].strip()}")
        code = cst.parse_module(original).visit(_Transformer(renames)).code
    except (UnicodeError, cst.ParserSyntaxError, cst.CSTValidationError) as error:
        raise UnasyncError(f"{source}: {error}") from error
    if marker := _MARKER.search(code):
        raise UnasyncError(
            f"{source}: {marker[0]}: its else is on one line, or ends with a comment"
        )
    # The tree has no such keywords any more, so those that are left are in strings and comments.
    code = renames.apply(_CODE_IN_TEXT.sub(r"\1\2", code))
    # `ruff check` doesn't get to see the header: it would move with the import below it.
    options = ["--fix", "--exit-zero", "--no-cache", f"--extend-select={_REPAIRS}"]
    code = _ruff(config, target, code, "check", *options, f"--fixable={_REPAIRS}")
    text = _ruff(config, target, HEADER.format(source) + code.lstrip("\n"), "format")
    return Output(target, source, original, text)


def _ruff(config: Config, target: str, text: str, *arguments: str) -> str:
    # With the name of the target, ruff applies the settings that hold for it in the tree.
    done = subprocess.run(  # noqa: S603 - our own arguments, and no shell
        [sys.executable, "-m", "ruff", *arguments, "--quiet", "--stdin-filename", target, "-"],
        input=text.encode(),
        capture_output=True,
        check=False,
        cwd=config.root,
    )
    if done.returncode:
        raise UnasyncError(f"{target}: ruff {arguments[0]}: {done.stderr.decode().strip()}")
    return done.stdout.decode()


def _leftovers(pattern: re.Pattern[str], output: Output) -> Iterator[tuple[str, str]]:
    original = output.original.split("\n")
    # The header tells of the source, and is not searched.
    for number, line in enumerate(output.text.split("\n")[1:], start=2):
        for match in pattern.finditer(re.sub(_ESCAPE, "  ", line)):
            # Lines move and change on the way: the one most like it, then the nearest, is meant.
            origins = (
                (difflib.SequenceMatcher(None, text, line).ratio(), -abs(n - number), n)
                for n, text in enumerate(original, start=1)
                if match[0] in text
            )
            place = f"{output.source}:{max(origins, default=('?',))[-1]}"
            place = f"{output.target}:{number}: leftover {match[0]!r} from {place}"
            yield match[0], f"{place}: {line.strip()}"


def find_differences(config: Config, outputs: Sequence[Output]) -> dict[str, str]:
    """Compare the target directories with what they should hold, both ways.

    Returns:
        "missing", "stale" or "orphaned" for each path that is so.

    Raises:
        UnasyncError: If a target directory holds a file that was not generated.
    """
    start = HEADER.partition("{")[0].encode()
    expected = {output.target: output.text.encode() for output in outputs}
    found = {
        path: (config.root / path).read_bytes()
        for folder in config.directories.values()
        for path in _modules_in(config.root, folder)
    }
    if by_hand := [path for path, content in found.items() if not content.startswith(start)]:
        raise UnasyncError(*(f"{path}: not generated, so it can't be here" for path in by_hand))
    states = dict.fromkeys(found.keys() - expected.keys(), "orphaned")
    states |= dict.fromkeys(expected.keys() - found.keys(), "missing")
    states |= {path: "stale" for path in found.keys() & expected if found[path] != expected[path]}
    return dict(sorted(states.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Its words; None means those of this process.

    Returns:
        The exit code, 0 or 1.
    """
    parser = argparse.ArgumentParser(description="Generate the sync code from the async code.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the project")
    options = parser.parse_args(arguments)
    try:
        config = load_config(options.root.resolve())
        outputs = generate(config)
        differences = find_differences(config, outputs)
    except UnasyncError as error:
        print(error, file=sys.stderr)
        return 1
    if options.check:
        for path, state in differences.items():
            print(f'{path}: {state}; run "make generate"', file=sys.stderr)
        return int(bool(differences))
    texts = {output.target: output.text.encode() for output in outputs}
    for path, state in differences.items():
        file = config.root / path
        if state == "orphaned":
            file.unlink()
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(texts[path])
        print(f"{path}: {'removed' if state == 'orphaned' else 'written'}")
    # How ruff sorts imports depends on the packages that are there.
    packages = {path for path in differences if path.endswith("/__init__.py")}
    return main(arguments) if any(differences[path] != "stale" for path in packages) else 0


if __name__ == "__main__":
    sys.exit(main())
