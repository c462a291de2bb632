"""Tokens and certificates."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rask import _core

if TYPE_CHECKING:
    import ssl

__all__ = ["Security"]

_ROLES = ("client", "scheduler", "worker")
_TLS = ("ca_file", "ciphers", "min_version", "max_version")
_IDENTITIES = tuple(f"{role}_{part}" for role in _ROLES for part in ("cert", "key"))
#: Names of arguments, after ``tls_``, and of the configuration, in ``distributed.comm.tls``.
_CONFIG = {name: name.replace("_", "-") for name in _TLS} | {
    name: name.replace("_", ".") for name in _IDENTITIES
}


class Security:
    """What a process needs to take part in a cluster.

    What is not given here comes from the configuration: ``distributed.comm.require-encryption`` and
    ``distributed.comm.tls``, whose names are ``ca-file``, ``ciphers``, ``min-version``,
    ``max-version``, and ``cert`` and ``key`` in each of ``client``, ``scheduler`` and ``worker``.

    Parameters
    ----------
    require_encryption : bool, optional
        Whether clusters made with this listen on ``tls://``. Default: if certificates are given.
    tls_ca_file : str, optional
        Path of a PEM file, or PEM text, with the authorities of the cluster: whoever shows a
        certificate that one of them signed takes part. The names in certificates do not matter,
        since the processes of a cluster know each other by address.
    tls_ciphers : str, optional
        Ciphers allowed, by their OpenSSL names, separated by colons. A list that names none of
        TLS 1.3 leaves those as they are.
    tls_min_version, tls_max_version : ssl.TLSVersion or float, optional
        1.2 or 1.3. Default: both.
    tls_client_cert, tls_scheduler_cert, tls_worker_cert : str, optional
        The certificate of each role: path of a PEM file, or PEM text. A process needs that of its
        own role; a worker whose tasks use a client also the client's.
    tls_client_key, tls_scheduler_key, tls_worker_key : str, optional
        The keys; not needed where the key stands in the certificate's file.
    extra_conn_args : mapping, optional
        Kept, and given back by `get_connection_args`. Connections over ``tcp://`` and ``tls://`` have
        no use for it.
    token : str, optional
        The secret that every connection must know.
    token_file : str, optional
        A file that holds the token.

    Raises
    ------
    ValueError
        If certificates are asked for and missing, or versions or ciphers are not known.

    Examples
    --------
    >>> from rask.distributed import Security
    >>> Security(token="secret")
    Security(require_encryption=False, token=...)
    """

    # No other attributes: one whose name is mistyped would be without effect.
    __slots__ = (
        "_cores",
        "_token",
        "extra_conn_args",
        "require_encryption",
        "tls_ca_file",
        "tls_ciphers",
        "tls_client_cert",
        "tls_client_key",
        "tls_max_version",
        "tls_min_version",
        "tls_scheduler_cert",
        "tls_scheduler_key",
        "tls_worker_cert",
        "tls_worker_key",
    )

    extra_conn_args: dict[str, Any]
    require_encryption: bool
    tls_ca_file: str | None
    tls_ciphers: str | None
    tls_min_version: ssl.TLSVersion | None
    tls_max_version: ssl.TLSVersion | None
    tls_client_cert: str | None
    tls_client_key: str | None
    tls_scheduler_cert: str | None
    tls_scheduler_key: str | None
    tls_worker_cert: str | None
    tls_worker_key: str | None

    def __init__(
        self,
        require_encryption: bool | None = None,
        *,
        token: str | None = None,
        token_file: str | None = None,
        extra_conn_args: Mapping[str, Any] | None = None,
        **tls: Any,
    ) -> None:
        known = {f"tls_{name}": key for name, key in _CONFIG.items()}
        if unknown := sorted(set(tls) - set(known)):
            raise TypeError(f"Unknown parameters: {unknown!r}; known are {sorted(known)}")
        for name, key in known.items():
            setattr(self, name, tls[name] if name in tls else _configured(f"tls.{key}"))
        self.tls_min_version = _version("tls_min_version", self.tls_min_version)
        self.tls_max_version = _version("tls_max_version", self.tls_max_version)
        self.extra_conn_args = dict(extra_conn_args or {})
        if token is None and token_file is not None:
            token = Path(token_file).read_text().strip()
        self._token = token
        self._cores: dict[str, _core.Security] = {}
        if require_encryption is None:
            require_encryption = _configured("require-encryption")
        if require_encryption is None:
            require_encryption = self.tls_ca_file is not None
        self.require_encryption = bool(require_encryption)
        if self.require_encryption and not self._has_identity():
            raise ValueError(
                "require_encryption needs certificates: give tls_ca_file and the certificate and "
                "key of each role, or use Security.temporary()"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        given = {name: getattr(self, name) for name in self.__slots__ if name.startswith("tls_")}
        given |= {"token": self._token, "extra_conn_args": self.extra_conn_args}
        return partial(Security, **given), (self.require_encryption,)

    def _has_identity(self) -> bool:
        certificates = [getattr(self, f"tls_{role}_cert") for role in _ROLES]
        return self.tls_ca_file is not None and any(certificates)

    @classmethod
    def temporary(cls, **kwargs: Any) -> Security:
        """A fresh token and fresh certificates that only holders of this object accept.

        Parameters
        ----------
        **kwargs
            Further arguments of `Security`.
        """
        made = _core.Security.temporary()
        identity = {"cert": made.certificate_pem, "key": made.key_pem}
        given = {f"tls_{role}_{part}": pem for role in _ROLES for part, pem in identity.items()}
        return cls(**{"tls_ca_file": made.ca_pem, "token": made.token, **given, **kwargs})

    @classmethod
    def with_token(cls, token: str | None = None) -> Security:
        """A token, fresh if none is given, and what the configuration says of certificates."""
        return cls(token=token or _core.Security.random_token())

    @property
    def token(self) -> str | None:
        """The secret."""
        return self._token

    @property
    def scheme(self) -> str:
        """``"tls"`` or ``"tcp"``."""
        return "tls" if self.require_encryption else "tcp"

    def get_tls_config_for_role(self, role: str) -> dict[str, Any]:
        """What a role needs for TLS: ``ca_file``, ``ciphers``, ``cert`` and ``key``.

        Parameters
        ----------
        role : {"client", "scheduler", "worker"}
        """
        if role not in _ROLES:
            raise ValueError(f"unknown role {role!r}; expected one of {', '.join(_ROLES)}")
        return {
            "ca_file": self.tls_ca_file,
            "ciphers": self.tls_ciphers,
            "cert": getattr(self, f"tls_{role}_cert"),
            "key": getattr(self, f"tls_{role}_key"),
        }

    def get_connection_args(self, role: str) -> dict[str, Any]:
        """What a process of a role connects with, for programs that make connections themselves.

        Parameters
        ----------
        role : {"client", "scheduler", "worker"}

        Returns
        -------
        dict
            ``ssl_context`` (`ssl.SSLContext`, or None without certificates),
            ``require_encryption``, ``extra_conn_args``.
        """
        import ssl

        return {
            "ssl_context": self._context(role, ssl.Purpose.SERVER_AUTH),
            "require_encryption": self.require_encryption,
            "extra_conn_args": self.extra_conn_args,
        }

    def get_listen_args(self, role: str) -> dict[str, Any]:
        """What a process of a role listens with, for programs that listen themselves.

        Parameters
        ----------
        role : {"client", "scheduler", "worker"}

        Returns
        -------
        dict
            ``ssl_context`` (`ssl.SSLContext`, or None without certificates) and
            ``require_encryption``.
        """
        import ssl

        return {
            "ssl_context": self._context(role, ssl.Purpose.CLIENT_AUTH),
            "require_encryption": self.require_encryption,
        }

    def _context(self, role: str, purpose: ssl.Purpose) -> ssl.SSLContext | None:
        import ssl
        import tempfile

        found = self.get_tls_config_for_role(role)
        authority, certificate, key = (_read(found[name]) for name in ("ca_file", "cert", "key"))
        if authority is None or certificate is None:
            return None
        context = ssl.create_default_context(purpose, cadata=authority)
        context.minimum_version = self.tls_min_version or ssl.TLSVersion.TLSv1_2
        if self.tls_max_version is not None:
            context.maximum_version = self.tls_max_version
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        # One self-signed certificate for everything is allowed here too.
        context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        # The module loads certificates from files only.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(certificate + "\n" + (key or ""))
            file.flush()
            context.load_cert_chain(file.name)
        if self.tls_ciphers:
            context.set_ciphers(self.tls_ciphers)
        return context

    def core(self, role: str) -> _core.Security:
        """What the connections of a role are made and taken with.

        Raises
        ------
        ValueError
            If encryption is required and the role has no certificate, or what is given is no
            certificate, no cipher, ….
        """
        found = self._cores.get(role)
        if found is None:
            _set_timeouts()
            found = self._cores[role] = self._make_core(role)
        return found

    def _make_core(self, role: str) -> _core.Security:
        config = self.get_tls_config_for_role(role)
        if self.require_encryption and config["cert"] is None:
            raise ValueError(
                f"a {role} over tls:// needs a certificate: give tls_{role}_cert and tls_{role}_key"
            )
        has_identity = config["cert"] is not None and config["ca_file"] is not None
        made = _core.Security(
            self.token,
            _read(config["ca_file"]) if has_identity else None,
            _read(config["cert"]) if has_identity else None,
            _read(config["key"]) if has_identity else None,
            self.tls_ciphers,
            _number(self.tls_min_version),
            _number(self.tls_max_version),
        )
        if has_identity:
            made.check_tls()
        return made

    def environment(self, role: str) -> dict[str, str]:
        """The secrets of a role as environment variables for a child process.

        A worker is also given the client's certificate, for the clients of its tasks.
        """
        core = self.core(role)
        values = {
            "TOKEN": core.token,
            "CA": core.ca_pem,
            "CERTIFICATE": core.certificate_pem,
            "KEY": core.key_pem,
            "CIPHERS": self.tls_ciphers,
            "VERSION_MIN": _number(self.tls_min_version),
            "VERSION_MAX": _number(self.tls_max_version),
            "ENCRYPTION": str(int(self.require_encryption)),
        }
        if role == "worker":
            values["CLIENT_CERTIFICATE"] = _read(self.tls_client_cert)
            values["CLIENT_KEY"] = _read(self.tls_client_key)
        return {f"RASK_INTERNAL_{name}": text for name, text in values.items() if text is not None}

    @classmethod
    def from_environment(cls, role: str) -> Security:
        """What `environment` made for this role; the variables are removed."""

        def take(name: str) -> str | None:
            return os.environ.pop(f"RASK_INTERNAL_{name}", None)

        encryption = take("ENCRYPTION")
        if encryption is None:
            return cls()
        identities: dict[str, Any] = {
            "tls_client_cert": take("CLIENT_CERTIFICATE"),
            "tls_client_key": take("CLIENT_KEY"),
        }
        identities |= {f"tls_{role}_cert": take("CERTIFICATE"), f"tls_{role}_key": take("KEY")}
        minimum, maximum = take("VERSION_MIN"), take("VERSION_MAX")
        return cls(
            encryption == "1",
            token=take("TOKEN"),
            tls_ca_file=take("CA"),
            tls_ciphers=take("CIPHERS"),
            tls_min_version=None if minimum is None else float(minimum),
            tls_max_version=None if maximum is None else float(maximum),
            **identities,
        )

    def _shown(self) -> dict[str, str]:
        values: dict[str, Any] = {"require_encryption": self.require_encryption}
        if self.token:
            values["token"] = "..."
        for name in _CONFIG:
            value = getattr(self, f"tls_{name}")
            if isinstance(value, str) and "\n" in value:
                value = "Temporary (In-memory)"
            elif isinstance(value, str) and name != "ciphers":
                value = f"Local ({os.path.abspath(value)})"
            if value is not None:
                values[f"tls_{name}"] = value
        return {name: str(value) for name, value in values.items()}

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self._shown().items())
        return f"Security({shown})"

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th style='text-align: left'>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in self._shown().items()
        )
        return f"<table><caption>Security</caption>{rows}</table>"


def _set_timeouts() -> None:
    """Sets how long this process waits for hosts, as configured."""
    from rask.distributed._utils import parse_seconds

    times = {}
    for name, default in (("connect", "10s"), ("tcp", "30s")):
        given = _configured(f"timeouts.{name}")
        times[name] = parse_seconds(default if given is None else given)
        if not times[name] or times[name] <= 0:
            raise ValueError(f"distributed.comm.timeouts.{name} is a positive time, not {given!r}")
    _core.set_timeouts(times["connect"], times["tcp"])


def _configured(key: str) -> Any:
    from rask import config

    return config.get(f"distributed.comm.{key}", None)


def _read(value: str | None) -> str | None:
    if value is None or "-----BEGIN" in value:
        return value
    return Path(value).read_text()


def _version(name: str, value: Any) -> ssl.TLSVersion | None:
    if value is None:
        return None
    import ssl

    known = {1.2: ssl.TLSVersion.TLSv1_2, 1.3: ssl.TLSVersion.TLSv1_3}
    if value in known.values():
        return value
    if value in known:
        return known[value]
    raise ValueError(f"{name}={value!r} is not supported, expected 1.2, 1.3 or None")


def _number(version: ssl.TLSVersion | None) -> str | None:
    """The version as text, as in ``"1.3"``."""
    return None if version is None else version.name.removeprefix("TLSv").replace("_", ".")
