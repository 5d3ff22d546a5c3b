"""Draw what was measured: ``python -m benchmarks.plots [DIRECTORY]``.

It reads the directory's ``results.json`` and writes an SVG for each plot beside it. It runs in an
environment of its own, which has matplotlib and nothing that is measured.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks import ratios
from benchmarks.catalogue import ROOT, SUBJECTS

Results = dict[str, Any]

OURS: Final = "#0b6e6e"
THEIRS: Final = "#9aa5b1"
LIMIT: Final = "#ffffff"
EDGE: Final = "#6b7785"
BAR_INCHES: Final = 0.34
WIDTH_INCHES: Final = 8.0

PLOTS: Final = {
    "enqueue-async": ("enqueue-async",),
    "enqueue-sync": ("enqueue-sync",),
    "concurrent": ("async-100", "threads-8"),
    "bulk": ("bulk",),
    "read": ("metadata", "result"),
}
"""The works of each plot of rates, by the plot's name."""


def _label(subject: str) -> str:
    return SUBJECTS[subject].label if subject in SUBJECTS else subject


def _plain(value: float, _position: int) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _bars(axes: Any, values: dict[str, ratios.Spread], title: str, unit: str) -> None:
    """Draw a bar for each subject, and a line from its least to its greatest value."""
    names = sorted(values, key=lambda name: values[name].median)
    spreads = [values[name] for name in names]
    bars = axes.barh(
        [_label(name) for name in names],
        [spread.median for spread in spreads],
        xerr=[
            [spread.median - spread.least for spread in spreads],
            [spread.greatest - spread.median for spread in spreads],
        ],
        error_kw={"ecolor": EDGE, "elinewidth": 0.8},
    )
    for bar, name in zip(bars, names, strict=True):
        limit = name.startswith("limit")
        bar.set_facecolor(OURS if name.startswith("arqade") else LIMIT if limit else THEIRS)
        bar.set_edgecolor(EDGE if limit else bar.get_facecolor())
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color="#e4e7eb")
    axes.xaxis.set_major_formatter(_plain)


def _figure(heights: list[int]) -> tuple[Figure, list[Any]]:
    """Make a figure with one plot above the other, each high enough for so many bars."""
    inches = sum(BAR_INCHES * height + 1.0 for height in heights)
    figure = Figure(figsize=(WIDTH_INCHES, inches), layout="constrained")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)
    return figure, [row[0] for row in axes]


def plot_rates(works: dict[str, Results], names: tuple[str, ...]) -> Figure | None:
    """Draw how many calls each subject makes in a second; None if nothing was measured."""
    found = [works[name] for name in names if name in works and works[name]["subjects"]]
    if not found:
        return None
    figure, axes = _figure([len(work["subjects"]) for work in found])
    for ax, work in zip(axes, found, strict=True):
        rates = {subject: ratios.rate(work, subject) for subject in work["subjects"]}
        _bars(ax, rates, work["title"], f"{work['unit']} per second")
    return figure


def plot_push(works: dict[str, Results]) -> Figure | None:
    """Draw how long results take to arrive; None if that was not measured."""
    found = [
        works[name] for name in ("push-1", "push-1000") if name in works and works[name]["subjects"]
    ]
    if not found:
        return None
    figure, axes = _figure([len(work["subjects"]) for work in found])
    for ax, work in zip(axes, found, strict=True):
        values = {}
        for subject in work["subjects"]:
            median, late = (ratios.quantile(work, subject, percent) or 0 for percent in (50, 99))
            values[subject] = ratios.Spread(median * 1e3, median * 1e3, late * 1e3)
        _bars(
            ax, values, work["title"], "milliseconds: the median, and a line to the 99th percentile"
        )
        ax.set_xscale("log")
        ax.set_xlim(left=0.1)
        ax.xaxis.set_major_formatter(_plain)
        ax.xaxis.set_minor_formatter("")
    return figure


def plot_imports(works: dict[str, Results]) -> Figure | None:
    """Draw how long imports take; None if that was not measured."""
    if "import" not in works:
        return None
    work = works["import"]
    values = {}
    for module in work["subjects"]:
        if module != "nothing":
            spread = ratios.net_import(work, module)
            values[module] = ratios.Spread(
                spread.median * 1e3, spread.least * 1e3, spread.greatest * 1e3
            )
    figure, [ax] = _figure([len(values)])
    _bars(ax, values, "Import in a fresh process", "milliseconds, without the start of Python")
    return figure


def main() -> None:
    """Draw all plots."""
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "benchmarks" / "results"
    works = json.loads((directory / "results.json").read_text(encoding="utf-8"))["works"]
    # Text stays text: files are small, and readable for those who can't see plots.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "arqade", "font.size": 9})
    figures = {name: plot_rates(works, names) for name, names in PLOTS.items()}
    figures |= {"push": plot_push(works), "import": plot_imports(works)}
    for name, figure in figures.items():
        if figure is not None:
            path = directory / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None, "Title": name})
            print(path)


if __name__ == "__main__":
    main()
