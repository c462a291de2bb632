"""Performance reports, and what becomes of them when their client is gone."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time

import pytest
from functions import wait_for

import rask
from rask.distributed import Client, LocalCluster, performance_report, span


def double(number):
    return 2 * number


def nap(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@pytest.fixture(scope="module")
def reporting(tmp_path_factory):
    """A cluster, and where its scheduler writes reports."""
    folder = tmp_path_factory.mktemp("reports") / "made"
    with (
        rask.config.set({"distributed.scheduler.reports-directory": str(folder)}),
        LocalCluster(n_workers=1, threads_per_worker=1) as cluster,
    ):
        yield cluster, folder


def complete_pages(folder):
    pages = [path.read_text() for path in folder.glob("*.html")]
    return [page for page in pages if page.endswith("</html>")]


def test_a_report_has_spans_and_calls(reporting, tmp_path):
    cluster, folder = reporting
    path = tmp_path / "report.html"
    with Client(cluster) as client:
        client.submit(double, 1, pure=False).result()
        with performance_report(filename=str(path)) as report, span("napping"):
            client.submit(nap, 0.2, pure=False).result()
    assert report.scheduler_folder == str(folder)
    page = path.read_text()
    assert "napping" in page
    assert "Calls of tasks" in page
    assert "const FLAMES" in page
    assert "performance_report(filename=str(path))" in page
    assert '"double"' not in page
    assert 'src="' not in page
    assert not folder.exists()


def test_an_asynchronous_client(reporting, tmp_path):
    cluster, _ = reporting
    path = tmp_path / "report.html"

    async def work():
        async with (
            Client(cluster, asynchronous=True) as client,
            performance_report(filename=str(path)),
        ):
            await client.submit(double, 3, pure=False)

    asyncio.run(work())
    page = path.read_text()
    assert "double" in page.split("<h2>Code</h2>")[0]
    assert "performance_report(filename=str(path))" in page


PROGRAM = """
import sys
from rask.distributed import Client, Security, performance_report
address, token, path = sys.argv[1:]
with Client(address, security=Security(token=token)) as client:
    with performance_report(filename=path):
        print(client.submit(pow, 2, 10).result(), flush=True)
        sys.stdin.read()
"""


def test_the_scheduler_writes_it_when_the_client_is_killed(reporting, tmp_path):
    cluster, folder = reporting
    path = tmp_path / "my report.html"
    arguments = [cluster.scheduler_address, cluster.security.token, str(path)]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "1024\n"
        process.send_signal(signal.SIGKILL)
    [page] = wait_for(lambda: complete_pages(folder))
    assert not path.exists()
    [written] = folder.glob("my_report-*.html")
    assert "whoever asked for it was gone" in page
    assert "pow" in page
    with Client(cluster, set_as_default=False) as client:
        assert any(str(written) in line for _, line in client.get_scheduler_logs())
    written.unlink()


def test_a_client_that_is_closed_within_the_block(reporting, tmp_path):
    cluster, folder = reporting
    client = Client(cluster)
    report = performance_report(filename=str(tmp_path / "closed.html"))
    report.__enter__()
    client.submit(double, 4, pure=False).result()
    client.close()
    with pytest.raises(ConnectionError) as error:
        report.__exit__()
    assert str(folder) in error.value.__notes__[0]
    assert "double" in wait_for(lambda: complete_pages(folder))[0]


def test_the_scheduler_ends_first(tmp_path):
    folder = tmp_path / "reports"
    with rask.config.set({"distributed.scheduler.reports-directory": str(folder)}):
        cluster = LocalCluster(n_workers=1, threads_per_worker=1, processes=False)
    with Client(cluster) as client:
        report = performance_report(filename=str(tmp_path / "ended.html"))
        report.__enter__()
        client.submit(double, 5, pure=False).result()
        cluster.close()
        assert len(complete_pages(folder)) == 1


def test_the_program_has_an_option_for_the_folder():
    program = [sys.executable, "-m", "rask.cli", "scheduler", "--help"]
    help_text = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert "--reports" in help_text
