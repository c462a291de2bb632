"""Configuration: files, environment variables, and `set`."""

from __future__ import annotations

import pytest

from rask import config


def test_set_get_and_back():
    before = config.get("memory-limit", None)
    with config.set({"memory-limit": "1 GiB", "a.b": 1}):
        assert config.get("memory_limit") == "1 GiB"
        assert config.get("a") == {"b": 1}
        with config.set(a__b=2):
            assert config.get("a.b") == 2
        assert config.get("a.b") == 1
    assert config.get("memory-limit", None) == before
    with pytest.raises(KeyError):
        config.get("a.b")


def test_environment_variables():
    found = config.collect_env({"RASK_A__B_C": "123", "RASK_X": "[1, 'two']", "OTHER": "1"})
    assert found["a"] == {"b_c": 123}
    assert found["x"] == [1, "two"]
    assert "other" not in found


def test_files(tmp_path):
    (tmp_path / "a.yaml").write_text("one:\n  two: 3\n")
    (tmp_path / "b.yaml").write_text("one:\n  four: 5\n")
    assert config.collect([str(tmp_path)], env={})["one"] == {"two": 3, "four": 5}


def test_merge_and_rename():
    assert config.merge({"x": {"a": 1}}, {"x": {"b": 2}}) == {"x": {"a": 1, "b": 2}}
    values = {"old-name": 1}
    config.rename({"old-name": "new.name"}, config=values)
    assert config.get("new.name", config=values) == 1
