"""How things look in notebooks."""

from __future__ import annotations

import sys
import threading
import types
from html.parser import HTMLParser

import pytest

from rask.distributed import Client, Event, progress, wait, widgets
from rask.distributed.widgets import HasWhat, SchedulerInfo, WhoHas


class Checked(HTMLParser):
    """The text of a page whose tags fit."""

    def __init__(self, page):
        super().__init__()
        self.open = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def text_of(thing):
    return Checked(thing._repr_html_()).text


def inc(number):
    return number + 1


def stuck(name):
    Event(name).wait(timeout=60)


def test_clients(cluster, client):
    text = text_of(client)
    assert client.id in text
    assert client.scheduler_address in text
    assert "LocalCluster" in text
    for address in client.scheduler_info()["workers"]:
        assert address in text
    with Client(cluster.scheduler_address, security=cluster.security) as other:
        assert "an address" in text_of(other)
    assert "closed" in text_of(other)
    assert "newly-created" in text_of(Client(asynchronous=True))


def test_schedulers(client):
    info = client.scheduler_info()
    assert isinstance(info, dict)
    assert isinstance(info, SchedulerInfo)
    text = text_of(info)
    assert "Threads: 2" in text
    few = client.scheduler_info(n_workers=1)
    assert "and 1 more" in text_of(few)
    assert "not running" in text_of(SchedulerInfo())


def test_who_has_what(client):
    future = client.submit(inc, 1, key="<b>key</b>")
    wait(future)
    who_has, has_what = client.who_has(), client.has_what()
    assert isinstance(who_has, WhoHas)
    assert isinstance(has_what, HasWhat)
    for page in (who_has._repr_html_(), has_what._repr_html_()):
        assert "&lt;b&gt;key&lt;/b&gt;" in page
        assert "<b>" not in page
    assert "and 150 more" in text_of(WhoHas({number: ("a",) for number in range(250)}))


class Notebook:
    """Stands for IPython in a notebook."""

    def __init__(self):
        self.pages = []
        self.ended = threading.Event()

    def display(self, thing, display_id):
        assert display_id
        self.pages.append(thing._repr_html_())
        return self

    def update(self, thing):
        self.pages.append(thing._repr_html_())
        if thing.is_done:
            self.ended.set()


@pytest.fixture
def notebook(monkeypatch):
    notebook = Notebook()
    package = types.ModuleType("IPython")
    package.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    module = types.ModuleType("IPython.display")
    module.display = notebook.display
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return notebook


def test_futures(client):
    done = client.submit(inc, 1, key="<i>-1")
    assert done.result() == 2
    text = text_of(done)
    assert "finished" in text
    assert "type: int" in text
    assert "<i>-1" in text
    failed = client.submit(inc, "a", pure=False)
    wait(failed)
    assert "error" in text_of(failed)


def test_progress_in_notebooks(client, notebook):
    futures = client.map(inc, range(20), pure=False)
    waiting = client.submit(stuck, "widgets", pure=False)
    with client.as_current():
        bars = progress(futures, [waiting])
        assert not bars.is_done
        Event("widgets", client=client).set()
    assert notebook.ended.wait(30)
    first, last = Checked(notebook.pages[0]).text, Checked(notebook.pages[-1]).text
    assert "Running" in first and "0 / 1" in first
    assert "Finished" in last and "20 / 20" in last and "1 / 1" in last
    assert "inc" in last and "stuck" in last
    together = progress(futures, multi=False)
    assert notebook.ended.wait(30)
    assert "all" in Checked(together._repr_html_()).text


def test_progress_on_a_terminal(client, capsys):
    assert progress(client.map(inc, range(10), pure=False), notebook=False) is None
    assert "10/10" in capsys.readouterr().err
    assert progress([]) is None


def test_the_module():
    assert widgets.progress_html({"<a>": (1, 2)}, 3.0).count("&lt;a&gt;") == 1
