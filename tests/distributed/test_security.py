from __future__ import annotations

import os
import pickle
import socket
import ssl
import subprocess

import pytest
from functions import inc

import rask
from rask.distributed import Client, LocalCluster, Security, SubprocessCluster

ROLES = ("client", "scheduler", "worker")


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An authority, and a certificate for each role, as an organisation makes them."""
    folder = tmp_path_factory.mktemp("certificates")
    authority, key = str(folder / "ca.pem"), str(folder / "ca.key")
    made = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    openssl("req", "-x509", *made, "-subj", "/CN=ca", "-keyout", key, "-out", authority)
    found = {"tls_ca_file": authority}
    for role in ROLES:
        own, request, cert = (str(folder / f"{role}.{end}") for end in ("key", "csr", "pem"))
        extensions = folder / f"{role}.ext"
        extensions.write_text(f"subjectAltName=DNS:{role}.example\n")
        subject = f"/CN={role}.example"
        openssl("req", *made, "-subj", subject, "-keyout", own, "-out", request)
        signing = ("-CA", authority, "-CAkey", key, "-CAcreateserial", "-days", "2")
        extra = ("-extfile", str(extensions))
        openssl("x509", "-req", "-in", request, *signing, *extra, "-out", cert)
        found |= {f"tls_{role}_cert": cert, f"tls_{role}_key": own}
    return found


@pytest.fixture(scope="module")
def security(files):
    return Security(**files, token="known")


def test_each_process_shows_the_certificate_of_its_role(security, files):
    with LocalCluster(n_workers=2, threads_per_worker=1, security=security) as cluster:
        assert cluster.scheduler_address.startswith("tls://")
        with Client(cluster.scheduler_address, security=security) as client:
            assert client.gather(client.map(inc, range(20))) == list(range(1, 21))
            assert all(name.startswith("tls://") for name in client.scheduler_info()["workers"])
        host, port = cluster.scheduler_address.removeprefix("tls://").rsplit(":", 1)
        shown = ssl.PEM_cert_to_DER_cert(_certificate_of(security, host, int(port)))
        expected = ssl.PEM_cert_to_DER_cert(_read(files["tls_scheduler_cert"]))
        assert shown == expected
        stranger = Security.temporary(token="known")
        with pytest.raises(PermissionError, match="do not trust each other's certificates"):
            Client(cluster.scheduler_address, security=stranger, set_as_default=False)


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _certificate_of(security: Security, host: str, port: int) -> str:
    """The certificate that a listener shows to Python's own TLS."""
    import socket

    context = security.get_connection_args("client")["ssl_context"]
    with (
        socket.create_connection((host, port), timeout=10) as plain,
        context.wrap_socket(plain) as wrapped,
    ):
        return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(binary_form=True))


def test_programs_are_given_their_certificates(security):
    with (
        SubprocessCluster(n_workers=1, security=security, worker_kwargs={"nthreads": 1}) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert cluster.scheduler_address.startswith("tls://")
        assert client.submit(inc, 1).result(timeout=60) == 2


def test_a_scheduler_with_a_journal_is_given_its_certificate(security):
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, security=security, journal=True) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        assert cluster.scheduler_address.startswith("tls://")
        assert client.submit(inc, 1).result(timeout=60) == 2


def test_values_come_from_the_configuration(files):
    tls = {
        "ca-file": files["tls_ca_file"],
        "min-version": 1.3,
        "ciphers": "TLS_AES_128_GCM_SHA256",
        "worker": {"cert": files["tls_worker_cert"], "key": files["tls_worker_key"]},
    }
    with rask.config.set({"distributed.comm.tls": tls}):
        made = Security()
        assert made.require_encryption
        assert made.tls_min_version == ssl.TLSVersion.TLSv1_3
        assert made.get_tls_config_for_role("worker") == {
            "ca_file": files["tls_ca_file"],
            "ciphers": "TLS_AES_128_GCM_SHA256",
            "cert": files["tls_worker_cert"],
            "key": files["tls_worker_key"],
        }
        assert Security(tls_worker_cert="other.pem").tls_worker_cert == "other.pem"
        assert not Security(require_encryption=False).require_encryption
    assert not Security().require_encryption


def test_a_child_finds_what_its_parent_gave(security, monkeypatch):
    given = Security.temporary(tls_max_version=1.2, tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
    for name, value in given.environment("worker").items():
        monkeypatch.setenv(name, value)
    found = Security.from_environment("worker")
    assert found.token == given.token
    assert found.require_encryption
    assert found.tls_max_version == ssl.TLSVersion.TLSv1_2
    assert found.get_tls_config_for_role("worker") == given.get_tls_config_for_role("worker")
    assert found.get_tls_config_for_role("client") == given.get_tls_config_for_role("client")
    assert not [name for name in os.environ if name.startswith("RASK_INTERNAL_KEY")]


def test_copies_are_the_same(files):
    given = Security(**files, token="secret", tls_max_version=1.3, extra_conn_args={"a": 1})
    given.core("client")
    copy = pickle.loads(pickle.dumps(given))
    assert copy.token == "secret" and copy.require_encryption
    assert copy.extra_conn_args == {"a": 1}
    assert copy.get_tls_config_for_role("worker") == given.get_tls_config_for_role("worker")
    assert copy.tls_max_version == ssl.TLSVersion.TLSv1_3


def test_contexts_are_what_was_asked_for(security, files):
    arguments = security.get_listen_args("worker")
    context = arguments["ssl_context"]
    assert arguments["require_encryption"]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert not context.check_hostname
    strict = Security(**files, tls_min_version=ssl.TLSVersion.TLSv1_3, extra_conn_args={"a": 1})
    arguments = strict.get_connection_args("client")
    assert arguments["ssl_context"].minimum_version == ssl.TLSVersion.TLSv1_3
    assert arguments["extra_conn_args"] == {"a": 1}
    assert Security(token="x").get_connection_args("client")["ssl_context"] is None
    with pytest.raises(ValueError, match="unknown role"):
        security.get_listen_args("nanny")


def test_mistakes_are_said_before_any_connection(files):
    with pytest.raises(AttributeError, match="tls_ca_path"):
        Security().tls_ca_path = files["tls_ca_file"]
    with pytest.raises(TypeError, match="tls_worker_crt"):
        Security(tls_worker_crt="x")
    with pytest.raises(ValueError, match=r"1\.2, 1\.3"):
        Security(tls_min_version=1.1)
    with pytest.raises(ValueError, match="needs certificates"):
        Security(require_encryption=True)
    half = Security(tls_ca_file=files["tls_ca_file"], tls_worker_cert=files["tls_worker_cert"])
    with pytest.raises(ValueError, match="tls_client_cert"):
        half.core("client")
    mixed = {**files, "tls_client_key": files["tls_worker_key"]}
    with pytest.raises(ValueError, match="encryption is not set up"):
        Security(**mixed).core("client")
    with pytest.raises(ValueError, match="RC4-MD5"):
        Security(**files, tls_ciphers="RC4-MD5").core("client")


def test_secrets_are_not_shown():
    made = Security.temporary()
    assert made.token is not None
    for text in (repr(made), made._repr_html_()):
        assert made.token not in text
        assert "PRIVATE" not in text
        assert "Temporary" in text


@pytest.mark.parametrize("name", ["connect", "tcp"])
def test_time_limits_of_connections_are_checked(name):
    with (
        rask.config.set({f"distributed.comm.timeouts.{name}": "0s"}),
        pytest.raises(ValueError, match=f"distributed.comm.timeouts.{name} is a positive time"),
    ):
        Security(token="known").core("client")


def test_connections_have_the_time_limits_that_are_configured():
    times = {"connect": "2s", "tcp": "12s"}
    others = {os.fstat(opened.fileno()).st_ino for opened in sockets()}
    try:
        with (
            rask.config.set({"distributed.comm.timeouts": times}),
            LocalCluster(n_workers=0, processes=False, security=Security(token="known")) as cluster,
            Client(cluster.scheduler_address, security=Security(token="known")) as client,
        ):
            assert client.scheduler_info()["workers"] == {}
            own = [s for s in sockets() if os.fstat(s.fileno()).st_ino not in others]
            limits = {limit for limit in map(tcp_limits, own) if limit[0]}
            assert limits == {(12_000, 4, 2, 4)}
    finally:
        Security(token="known").core("client")


def sockets() -> list[socket.socket]:
    """The connected TCP sockets of this process."""
    found = []
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            opened = socket.socket(fileno=os.dup(number))
            opened.getpeername()
        except OSError:
            continue
        if opened.family == socket.AF_INET:
            found.append(opened)
    return found


def tcp_limits(opened: socket.socket) -> tuple[int, int, int, int]:
    names = ("TCP_USER_TIMEOUT", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT")
    with opened:
        limits = (opened.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names)
        return tuple(limits)  # pyright: ignore[reportReturnType]
