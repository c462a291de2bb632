"""``Series.str`` and ``Series.dt``."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["DatetimeAccessor", "StringAccessor"]


class PandasAccessor:
    """A function of pandas' accessor, called on each partition."""

    def __init__(self, accessor: str, name: str, args: tuple, kwargs: dict) -> None:
        self.accessor, self.name, self.args, self.kwargs = accessor, name, args, kwargs
        self.__name__ = f"{accessor}.{name}"

    def __call__(self, series: pd.Series) -> Any:
        found = getattr(getattr(series, self.accessor), self.name)
        return found(*self.args, **self.kwargs) if callable(found) else found


class StringAccessor:
    """Functions of text; those without a native kernel are pandas' own, partition by partition."""

    def __init__(self, series: Any) -> None:
        self._series = series
        series._expr.call("str.len", [], ())

    def _call(self, name: str, *operands: Any, params: tuple = ()) -> Any:
        return self._series._call(f"str.{name}", *operands, params=params)

    def strip(self, to_strip: str | None = None) -> Any:
        """Text without some characters (white space) at both ends."""
        return self._call("strip", params=("both", to_strip))

    def lstrip(self, to_strip: str | None = None) -> Any:
        """Text without some characters at the start."""
        return self._call("strip", params=("left", to_strip))

    def rstrip(self, to_strip: str | None = None) -> Any:
        """Text without some characters at the end."""
        return self._call("strip", params=("right", to_strip))

    def contains(
        self, pat: str, case: bool = True, flags: int = 0, na: Any = None, regex: bool = True
    ) -> Any:
        """Whether text contains a pattern."""
        return self._call("contains", params=(pat, regex, case))

    def match(self, pat: str, case: bool = True) -> Any:
        """Whether text starts with a match of a pattern."""
        return self._call("match", params=(pat, case))

    def fullmatch(self, pat: str, case: bool = True) -> Any:
        """Whether all of the text matches a pattern."""
        return self._call("fullmatch", params=(pat, case))

    def startswith(self, pat: Any, na: Any = None) -> Any:
        """Whether text starts with another (or one of several)."""
        return self._call("startswith", params=(pat,))

    def endswith(self, pat: Any, na: Any = None) -> Any:
        """Whether text ends with another (or one of several)."""
        return self._call("endswith", params=(pat,))

    def replace(
        self,
        pat: str,
        repl: str,
        n: int = -1,
        case: bool | None = None,
        flags: int = 0,
        regex: bool = False,
    ) -> Any:
        """Text with a pattern replaced."""
        return self._call(
            "replace", params=(pat, repl, regex, case is not False, n if n > 0 else None)
        )

    def slice(
        self, start: int | None = None, stop: int | None = None, step: int | None = None
    ) -> Any:
        """A part of the text."""
        return self._call("slice", params=(start, stop, step))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.slice(key.start, key.stop, key.step)
        return self.get(key)

    def get(self, i: int) -> Any:
        """The character at a place."""
        return self._call("get", params=(i,))

    def cat(self, others: Any = None, sep: str = "", na_rep: Any = None) -> Any:
        """Text joined with that of another series of the same table."""
        return self._call("cat", others, params=(sep,))

    def zfill(self, width: int) -> Any:
        """Text padded with zeros."""
        return self._call("zfill", params=(width,))

    def pad(self, width: int, side: str = "left", fillchar: str = " ") -> Any:
        """Text padded."""
        return self._call("pad", params=(width, side, fillchar))

    def repeat(self, repeats: int) -> Any:
        """Text several times."""
        return self._call("repeat", params=(repeats,))

    def find(self, sub: str) -> Any:
        """The place of a text, -1 if it is not there."""
        return self._call("find", params=(sub,))

    def rfind(self, sub: str) -> Any:
        """The last place of a text, -1 if it is not there."""
        return self._call("rfind", params=(sub,))

    def count(self, pat: str) -> Any:
        """How often a pattern matches."""
        return self._call("count", params=(pat,))

    def removeprefix(self, prefix: str) -> Any:
        """Text without a prefix."""
        return self._call("removeprefix", params=(prefix,))

    def removesuffix(self, suffix: str) -> Any:
        """Text without a suffix."""
        return self._call("removesuffix", params=(suffix,))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(pd.Series.str, name):
            raise AttributeError(f"'StringAccessor' object has no attribute {name!r}")

        def method(*args: Any, **kwargs: Any) -> Any:
            if not args and not kwargs:
                try:
                    return self._call(name)
                except NotImplementedError:
                    pass
            return self._series.map_partitions(PandasAccessor("str", name, args, kwargs))

        return method


class DatetimeAccessor:
    """Functions of times; those without a native kernel are pandas' own."""

    _METHODS = ("day_name", "month_name", "normalize", "total_seconds")

    def __init__(self, series: Any) -> None:
        self._series = series
        if series.dtype.kind not in "mM":
            raise AttributeError("Can only use .dt accessor with datetimelike values")

    def _step(self, name: str, freq: str) -> Any:
        step = pd.Timedelta(pd.tseries.frequencies.to_offset(freq)).as_unit("ns")._value
        return self._series._call(f"dt.{name}", params=(step,))

    def floor(self, freq: str) -> Any:
        """Times down to multiples of a frequency."""
        return self._step("floor", freq)

    def ceil(self, freq: str) -> Any:
        """Times up to multiples of a frequency."""
        return self._step("ceil", freq)

    def round(self, freq: str) -> Any:
        """Times to the nearest multiples of a frequency."""
        return self._step("round", freq)

    def strftime(self, date_format: str) -> Any:
        """Times as text."""
        return self._series._call("dt.strftime", params=(date_format,))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._METHODS:
            return lambda: self._series._call(f"dt.{name}")
        try:
            return self._series._call(f"dt.{name}")
        except TypeError:
            pass
        if callable(getattr(self._series._meta.dt, name)):
            return lambda *args, **kwargs: self._series.map_partitions(
                PandasAccessor("dt", name, args, kwargs)
            )
        return self._series.map_partitions(PandasAccessor("dt", name, (), {}))
