"""Job 3: free-form work. Words counted with a bag, with delayed, and with futures."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import rask
import rask.bag as db
from examples.demo import data
from rask.distributed import as_completed

WORD = re.compile(r"[a-z]+")


def words_of(line: str) -> list[str]:
    return WORD.findall(line.lower())


def count_file(path: str) -> Counter:
    """The words of one file."""
    return Counter(words_of(Path(path).read_text(encoding="utf-8", errors="replace")))


def merge(counts: list[Counter]) -> Counter:
    """Several counts as one."""
    total: Counter = Counter()
    for count in counts:
        total.update(count)
    return total


def with_bag(files: list[str]) -> Counter:
    lines = db.read_text(files, encoding="utf-8", errors="replace")
    return Counter(dict(lines.map(words_of).flatten().frequencies().compute()))


def with_delayed(files: list[str]) -> Counter:
    counts = [rask.delayed(count_file)(path) for path in files]
    return rask.delayed(merge)(counts).compute()


def with_futures(files: list[str], client) -> Counter:
    total: Counter = Counter()
    for future in as_completed(client.map(count_file, files)):
        total.update(future.result())
    return total


def run(directory: Path, client) -> Counter:
    """The counts, found three ways that must agree."""
    files = data.text_files()
    counts = with_bag(files)
    if with_delayed(files) != counts:
        raise AssertionError("bag and delayed disagree")
    if with_futures(files, client) != counts:
        raise AssertionError("bag and futures disagree")
    return counts


def reference() -> Counter:
    return merge([count_file(path) for path in data.text_files()])


def check(answer: Counter, expected: Counter) -> None:
    if answer != expected:
        raise AssertionError("the counts differ from those of a plain loop")


def describe(answer: Counter) -> str:
    top = ", ".join(f"{word} {count:,}" for word, count in answer.most_common(5))
    return f"{sum(answer.values()):,} words, {len(answer):,} distinct; most often: {top}"
