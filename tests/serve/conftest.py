"""A store with runs of every kind, and a server of it."""

import http.client
import json
from collections import namedtuple

import pytest

from ..reports.conftest import browser as browser
from . import run_folders

Answer = namedtuple("Answer", "status headers body")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    run_folders.small_store(store)
    return store


@pytest.fixture(scope="module")
def address(store):
    with run_folders.served(store) as (host, port):
        yield f"{host}:{port}"


@pytest.fixture(scope="module")
def ask(address):
    """Sends a request as it is, without putting its path in order; gives the answer."""

    def asking(path, method="GET", host=None, headers=()):
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for value in [address] if host is None else host:
                connection.putheader("Host", value)
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders()
            response = connection.getresponse()
            given = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, given, response.read())
        finally:
            connection.close()

    return asking


@pytest.fixture(scope="module")
def ask_json(ask):
    return lambda path: json.loads(ask(path).body)
