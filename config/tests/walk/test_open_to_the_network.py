"""The product as somebody opens it to their network: no demo, no strange names, no sign-in that everybody knows."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from config.tests.product import ROOT, Product, running
from config.tests.watching import eventually

pytestmark = [pytest.mark.walk, pytest.mark.usefixtures("servers"), pytest.mark.xdist_group("open")]


@pytest.fixture(scope="module")
def product(servers: None) -> Iterator[Product]:
    with running(demo=False, HOST="0.0.0.0") as made:
        yield made


def ask(product: Product, host: str, path: str = "/accounts/login/") -> tuple[int, str]:
    """The answer to a page that names this host."""
    port = int(product.url.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host.replace("PORT", str(port))})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_no_demo_is_made_that_nobody_asked_for(product: Product) -> None:
    log = product.folder.parent / "log"
    assert eventually(lambda: "Halyard is ready" in log.read_text(), 60)
    assert product.rows("SELECT count(*) FROM accounts_user") == [(0,)]
    assert "Sign in as" not in log.read_text()
    assert "HALYARD_PUBLIC_URL=http://this-machine:port" in log.read_text()


@pytest.mark.parametrize(
    "host", ["rebound.example:PORT", "localhost.evil.example", "169.254.169.254", "localhost@evil"]
)
def test_a_strange_name_is_refused_and_the_page_says_what_to_do(product: Product, host: str) -> None:
    status, page = ask(product, host)
    assert status == 400
    assert f"Halyard does not answer to this name. Open {product.url}" in page


@pytest.mark.parametrize("host", ["localhost:PORT", "127.0.0.1:PORT", "[::1]:PORT"])
def test_the_names_of_this_machine_are_answered(product: Product, host: str) -> None:
    assert ask(product, host)[0] == 200


def test_the_demo_that_somebody_asks_for_has_a_password_of_its_own(product: Product) -> None:
    command = [sys.executable, "manage.py", "demo", "--json"]
    demo = json.loads(subprocess.check_output(command, cwd=ROOT, env=product.environment))
    assert demo["password"] != "halyard-demo-sails"
    assert len(demo["password"]) == 23
