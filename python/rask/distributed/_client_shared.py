"""What a client shares with others through the scheduler: datasets and metadata."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from rask import _core
from rask.distributed._collections import pack_collections, unpack_collections
from rask.distributed._shared_objects import pack_item, unpack_items
from rask.distributed.locks import Lock

__all__ = ["SharedMethods"]

_MISSING = object()


class Datasets(MutableMapping[str, Any]):
    """The published datasets of a cluster as a mapping: ``client.datasets``."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getitem__(self, name: str) -> Any:
        return self._client.get_dataset(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._client.publish_dataset(value, name=name)

    def __delitem__(self, name: str) -> None:
        self._client.unpublish_dataset(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._client.list_datasets())

    def __len__(self) -> int:
        return len(self._client.list_datasets())

    def __contains__(self, name: object) -> bool:
        return name in self._client.list_datasets()


class SharedMethods:
    """Part of `Client`."""

    _core: Any
    _either: Any

    @property
    def _coordination(self) -> Any:
        made = self.__dict__.get("_made_coordination")
        if made is None:
            made = _core.Coordination(self._core)
            self.__dict__["_made_coordination"] = made
        return made

    @property
    def datasets(self) -> Datasets:
        """The published datasets, as a mapping."""
        return Datasets(self)

    # -------------------------------------------------------------- datasets

    def publish_dataset(
        self, *args: Any, name: str | None = None, override: bool = False, **kwargs: Any
    ) -> Any:
        """Give values, futures or collections names, by which every client finds them.

        What futures refer to stays in memory until it is unpublished, whoever leaves. What is lazy
        in collections is computed on the cluster. A name may have a namespace: ``"team/prices"``.

        Parameters
        ----------
        *args
            One value, if `name` is given.
        name : str, optional
        override : bool
            Whether a dataset of the same name is replaced.
        **kwargs
            Values by name.

        Raises
        ------
        KeyError
            If there is a dataset of the name already.
        """
        if args and name is not None:
            kwargs[name] = args[0]
        elif args:
            raise ValueError("a dataset needs a name: publish_dataset(name=value)")
        packed = {key: pack_item(pack_collections(self, value)) for key, value in kwargs.items()}
        return self._either(self._publish, packed, override)

    def _publish(self, packed: dict[str, Any], override: bool) -> None:
        for name, (payload, futures) in packed.items():
            reply = self._coordination.dataset_put(f"dataset:{name}", payload, futures, override)
            if reply[0] == "taken":
                raise KeyError(f"there is a dataset named {name!r} already; override=True")

    def get_dataset(self, name: str, default: Any = _MISSING) -> Any:
        """A published dataset.

        Raises
        ------
        KeyError
            If there is none and no `default` is given.
        """
        return self._either(self._get_dataset, name, default)

    def _get_dataset(self, name: str, default: Any) -> Any:
        reply = self._coordination.named("dataset get", f"dataset:{name}")
        if reply[0] != "done":
            if default is not _MISSING:
                return default
            raise KeyError(f"there is no dataset named {name!r}")
        value = unpack_items(self, self._coordination, reply)[0]  # type: ignore[arg-type]
        return unpack_collections(self, value)

    def list_datasets(self, namespace: str = "") -> Any:
        """Names of the published datasets, of a namespace if one is given.

        Returns
        -------
        tuple of str
        """
        return self._either(self._list_datasets, namespace)

    def _list_datasets(self, namespace: str) -> tuple[str, ...]:
        start = f"dataset:{namespace}/" if namespace else "dataset:"
        names = self._coordination.named("dataset list", start)[3]
        return tuple(name.removeprefix("dataset:") for name in names)

    def unpublish_dataset(self, name: str) -> Any:
        """Forget a published dataset.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self._either(self._unpublish, name)

    def _unpublish(self, name: str) -> None:
        if self._coordination.named("dataset delete", f"dataset:{name}")[0] != "done":
            raise KeyError(f"there is no dataset named {name!r}")

    # -------------------------------------------------------------- metadata

    def set_metadata(self, key: str | list[str], value: Any) -> Any:
        """Keep a value at the scheduler for everybody; a list of keys names a place in nested
        dictionaries.

        Parameters
        ----------
        key : str or list of str
        value : Any
            Anything that can be pickled.
        """
        return self._either(self._set_metadata, key if isinstance(key, list) else [key], value)

    def _set_metadata(self, keys: list[str], value: Any) -> None:
        lock = Lock("rask-metadata", client=self)  # type: ignore[arg-type]
        lock._acquire(False, None)
        try:
            tree = self._read_metadata()
            place = tree
            for key in keys[:-1]:
                place = place.setdefault(key, {})
            place[keys[-1]] = value
            payload, futures = pack_item(tree)
            self._coordination.dataset_put("metadata", payload, futures, True)
        finally:
            lock._release()

    def get_metadata(self, keys: str | list[str], default: Any = _MISSING) -> Any:
        """What `set_metadata` kept.

        Raises
        ------
        KeyError
            If there is nothing and no `default` is given.
        """
        return self._either(self._get_metadata, keys if isinstance(keys, list) else [keys], default)

    def _get_metadata(self, keys: list[str], default: Any) -> Any:
        place = self._read_metadata()
        for key in keys:
            if not isinstance(place, dict) or key not in place:
                if default is not _MISSING:
                    return default
                raise KeyError(keys)
            place = place[key]
        return place

    def _read_metadata(self) -> Any:
        reply = self._coordination.named("dataset get", "metadata")
        if reply[0] != "done":
            return {}
        return unpack_items(self, self._coordination, reply)[0]  # type: ignore[arg-type]
