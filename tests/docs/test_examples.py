"""The examples of the guides and of the docstrings run and give what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
GUIDES = sorted((ROOT / "docs").rglob("*.md"))
MODULES = [
    "rask",
    "rask.array.along_axes",
    "rask.array.blocks",
    "rask.array.blockwise_calls",
    "rask.array.reductions",
    "rask.bag.core",
    "rask.bag.creation",
    "rask.bag.reductions",
    "rask.bag.strings",
    "rask.base",
    "rask.callbacks",
    "rask.dask.conversion",
    "rask.dask.scheduler",
    "rask.dataframe.collection",
    "rask.dataframe.quantiles",
    "rask.delayed",
    "rask.diagnostics.profile",
    "rask.distributed._as_completed",
    "rask.distributed._client_events",
    "rask.distributed._client_memory",
    "rask.distributed._client_plugins",
    "rask.distributed._client_profile",
    "rask.distributed._client_recreation",
    "rask.distributed._client_run",
    "rask.distributed._client_shares",
    "rask.distributed._client_spans",
    "rask.distributed._client_stories",
    "rask.distributed._client_versions",
    "rask.distributed._output",
    "rask.distributed._task_metadata",
    "rask.distributed.actor",
    "rask.distributed.client",
    "rask.distributed.memory_sampler",
    "rask.distributed.nanny",
    "rask.distributed.scheduler",
    "rask.distributed.scheduler_process",
    "rask.distributed.spans",
    "rask.distributed.spec",
    "rask.distributed.subprocess_cluster",
    "rask.distributed.worker",
    "rask.dot",
    "rask.local",
    "rask.threaded",
    "rask.utils",
]
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_guide(path):
    result = doctest.testfile(str(path), module_relative=False, optionflags=OPTIONS)
    assert result.failed == 0


def test_some_guides_have_examples():
    attempted = [
        doctest.DocTestParser().get_examples(path.read_text(encoding="utf-8")) for path in GUIDES
    ]
    assert sum(map(len, attempted)) > 20


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert result.failed == 0
