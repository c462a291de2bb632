"""Tokens and certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rask import _core

__all__ = ["Security"]


def _read(value: str | None) -> str | None:
    if value is None or "-----BEGIN" in value:
        return value
    return Path(value).read_text()


class Security:
    """What a process needs to take part in a cluster.

    Parameters
    ----------
    tls_ca_file, tls_client_cert, tls_client_key : str, optional
        Paths of PEM files, or PEM text. With them addresses of the form ``tls://…`` can be used.
        Certificates of a cluster carry the name ``rask`` and are signed by the given authority.
    token : str, optional
        The secret that every connection must know.
    token_file : str, optional
        A file that holds the token.
    require_encryption : bool, optional
        Whether clusters made with this listen on ``tls://``. Default: if certificates are given.

    Examples
    --------
    >>> from rask.distributed import Security
    >>> Security(token="secret")
    Security(token=..., tls=False)
    """

    def __init__(
        self,
        require_encryption: bool | None = None,
        *,
        tls_ca_file: str | None = None,
        tls_client_cert: str | None = None,
        tls_client_key: str | None = None,
        tls_scheduler_cert: str | None = None,
        tls_scheduler_key: str | None = None,
        tls_worker_cert: str | None = None,
        tls_worker_key: str | None = None,
        token: str | None = None,
        token_file: str | None = None,
    ) -> None:
        if token is None and token_file is not None:
            token = Path(token_file).read_text().strip()
        certificate = tls_client_cert or tls_scheduler_cert or tls_worker_cert
        key = tls_client_key or tls_scheduler_key or tls_worker_key
        self._core = _core.Security(token, _read(tls_ca_file), _read(certificate), _read(key))
        has_certificates = self._core.ca_pem is not None
        self.require_encryption = (
            has_certificates if require_encryption is None else require_encryption
        )
        if self.require_encryption and not has_certificates:
            raise ValueError(
                "require_encryption needs certificates: give tls_ca_file, tls_client_cert and "
                "tls_client_key, or use Security.temporary()"
            )

    @classmethod
    def temporary(cls, **kwargs: Any) -> Security:
        """A fresh token and fresh certificates that only holders of this object accept."""
        made = _core.Security.temporary()
        return cls(
            tls_ca_file=made.ca_pem,
            tls_client_cert=made.certificate_pem,
            tls_client_key=made.key_pem,
            token=made.token,
            **kwargs,
        )

    @classmethod
    def with_token(cls, token: str | None = None) -> Security:
        """A token, fresh if none is given, and no encryption."""
        return cls(token=token or _core.Security.random_token())

    @property
    def token(self) -> str | None:
        """The secret."""
        return self._core.token

    @property
    def scheme(self) -> str:
        """``"tls"`` or ``"tcp"``."""
        return "tls" if self.require_encryption else "tcp"

    def environment(self) -> dict[str, str]:
        """The secrets as environment variables for a child process."""
        core = self._core
        values = {
            "RASK_INTERNAL_TOKEN": core.token,
            "RASK_INTERNAL_CA": core.ca_pem,
            "RASK_INTERNAL_CERTIFICATE": core.certificate_pem,
            "RASK_INTERNAL_KEY": core.key_pem,
        }
        return {name: value for name, value in values.items() if value is not None}

    @classmethod
    def from_environment(cls) -> Security:
        """What `environment` made; the variables are removed."""
        import os

        def take(name: str) -> str | None:
            return os.environ.pop(f"RASK_INTERNAL_{name}", None)

        return cls(
            token=take("TOKEN"),
            tls_ca_file=take("CA"),
            tls_client_cert=take("CERTIFICATE"),
            tls_client_key=take("KEY"),
        )

    def __repr__(self) -> str:
        token = "..." if self.token else None
        return f"Security(token={token}, tls={self.require_encryption})"
