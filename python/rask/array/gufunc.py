"""Generalized ufuncs, under the name Dask has for them.

``rask.array.gufunc`` is a class, and also this module once somebody imports it: the module can be
called like the class.
"""

import sys
from types import ModuleType
from typing import Any

from rask.array.generalized import apply_gufunc, as_gufunc, gufunc

__all__ = ["apply_gufunc", "as_gufunc", "gufunc"]


class _CallableModule(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> gufunc:
        return gufunc(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
