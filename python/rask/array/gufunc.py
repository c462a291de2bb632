"""Generalized ufuncs, under the name Dask has for them."""

from rask.array.generalized import apply_gufunc, as_gufunc, gufunc

__all__ = ["apply_gufunc", "as_gufunc", "gufunc"]
