"""A plugin of pytest: the run fails if a secret occurs in anything that is printed or logged.

Secrets are the canary, which is in arguments and results, and what `keep_secret` is told. They are
looked for in what tests and their servers print, in log records of every level, in warnings, in the
reports of failures and in all that pytest itself writes.

PYTEST_DONT_REWRITE: it asserts nothing, and conftest files import it before pytest does.
"""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TextIO

import pytest

from arqade._compat import override

if TYPE_CHECKING:
    import warnings
    from collections.abc import Generator

__all__ = ["CANARY", "Loud", "keep_secret"]

CANARY = "canary-9f2c41"
"""What arguments and results hold, and no message."""

SECRETS = {CANARY}

LOGGERS = ("arqade", "asyncio", "redis")
"""Those whose every word is read."""

SHORTEST = 8
"""Of fewer characters a secret would be found in words that do not tell it."""


class Loud(int):
    """A number like any other as an argument or result, which shows up wherever it is printed."""

    @override
    def __repr__(self) -> str:
        return f"{CANARY}:{int(self)}"

    __str__ = __repr__


def keep_secret(text: str | None) -> None:
    """Look for a further secret from now on."""
    if text is not None and len(text) >= SHORTEST:
        SECRETS.add(text)


def holds_secret(text: str) -> bool:
    """Tell whether there is a secret in a text."""
    return any(secret in text for secret in tuple(SECRETS))


def masked(text: str) -> str:
    """Give a text without the secrets in it."""
    for secret in tuple(SECRETS):
        text = text.replace(secret, "***")
    return text


class Records(logging.Handler):
    """Reads log records as they would be written, tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.leaks: list[str] = []
        self._formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = self._formatter.format(record)
        # A formatter leaves the traceback that it made to the next one.
        record.exc_text = None
        if holds_secret(text):
            self.leaks.append(f"the log: {masked(text)}")


class Written:
    """Stands for the file to which pytest writes, and reads along.

    Args:
        file: The file.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._end = ""
        self.leaks: list[str] = []

    def write(self, text: str) -> int:
        # A secret may come in pieces.
        seen = self._end + text
        if holds_secret(seen):
            self.leaks.append(f"pytest's output: {masked(seen)}")
            seen = ""
        self._end = seen[1 - max(map(len, SECRETS)) :]
        return self._file.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class Masked:
    """A report without the secrets in it.

    Args:
        report: What pytest made.
        leaks: What was told by other ways.
    """

    def __init__(self, report: Any, leaks: list[str]) -> None:
        crash = getattr(report, "reprcrash", None)
        first = masked(crash.message) if crash else ""
        self._lines = masked(str(report or "")).splitlines()
        if leaks:
            first = "A secret was told; it stood here as ***:"
            self._lines = [first, *leaks, *self._lines]
        self.reprcrash = SimpleNamespace(message=first)
        """What pytest shows in its summary."""

    @override
    def __str__(self) -> str:
        return "\n".join(self._lines)

    def toterminal(self, writer: Any) -> None:
        for line in self._lines:
            writer.line(line)


class Canary:
    """Looks for secrets in all that comes of a run."""

    def __init__(self) -> None:
        self.records = Records()
        self.written: Written
        self.leaks: list[str] = []
        """What no test could be blamed for."""

    # --- tests --------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        leaks, self.records.leaks = self.records.leaks, []
        for name, text in report.sections:
            # Those of earlier phases were seen with these.
            if name.endswith(call.when) and holds_secret(text):
                leaks.append(f"{name}: {masked(text)}")
        said = report.longreprtext if report.failed else ""
        if not report.failed and holds_secret(str(report.longrepr)):
            leaks.append(f"the reason: {masked(str(report.longrepr))}")
        if leaks:
            report.outcome = "failed"
            vars(report).pop("wasxfail", None)
        if leaks or holds_secret(said):
            # A test that has failed by itself may show its arguments: they are masked, no more.
            report.longrepr = Masked(report.longrepr, leaks)
            report.sections = [(name, masked(text)) for name, text in report.sections]
            item._report_sections[:] = [
                (when, name, masked(text)) for when, name, text in item._report_sections
            ]
        return report

    # --- all else -----------------------------------------------------------------------

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage) -> None:
        text = str(warning_message.message)
        if holds_secret(text):
            self.leaks.append(f"a warning: {masked(text)}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and holds_secret(report.longreprtext):
            self.leaks.append(f"the report of {report.nodeid}: {masked(report.longreprtext)}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        # Around the others: the summary has been written then.
        yield
        leaks = [*self.leaks, *self.records.leaks, *self.written.leaks]
        if not leaks:
            return
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        terminal = session.config.get_terminal_writer()
        terminal.sep("!", "secrets were told; they stood here as ***", red=True)
        for leak in leaks:
            terminal.line(leak)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    # Last: pytest has made its terminal's writer then.
    canary = Canary()
    config.pluginmanager.register(canary, "canary")
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.DEBUG)
        logger.addHandler(canary.records)
    terminal = config.get_terminal_writer()
    canary.written = Written(terminal._file)
    terminal._file = canary.written


def pytest_unconfigure(config: pytest.Config) -> None:
    canary = config.pluginmanager.get_plugin("canary")
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.removeHandler(canary.records)
