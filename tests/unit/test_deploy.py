"""The files in deploy/ are what their own checkers call right, and do what they promise where they can run here."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import compose_spec
import pytest
import yaml
from gateways import GENEROUS, Guarded, chat, eventually, guarded, make_certificate

from labkit import launch
from labkit.ports import free_port, is_free
from labkit.simulator import Latency, Profile

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SLOW = Profile("slow", first_token=Latency(50), inter_token=Latency(200))


def tool(name: str) -> str:
    """Finds a checker. In CI it must be there; elsewhere its test is skipped, with the reason."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        reason = f"{name} is not installed here; .ci/run installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a checker."""
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=DEPLOY)


def compose() -> dict[str, Any]:
    """Reads compose.yaml."""
    read: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return read


# --- containers


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    """Nor in what it calls style."""
    checked = run(tool("hadolint"), "Dockerfile")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_container_runs_without_root_and_says_whether_it_lives() -> None:
    """The last user is a number that is not 0, and the health check asks for liveness."""
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1].isdecimal()
    assert int(users[-1]) > 0
    assert any("/livez" in line for line in lines)
    assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_compose_keeps_to_its_schema() -> None:
    """compose-spec knows each field."""
    checked = compose_spec.PyCompose.from_json(json.dumps(compose())).to_spec()  # it knows no YAML anchors
    assert set(checked.services or {}) == {"foundry", "chat", "open-webui", "prometheus"}


def test_docker_compose_understands_the_file_where_it_is_installed(tmp_path: Path) -> None:
    """With the two keys that it demands, and without them it says which are missing."""
    docker = shutil.which("docker")
    if docker is None or run(docker, "compose", "version").returncode:
        pytest.skip("docker compose is not installed here, and no package index has it")
    keys = tmp_path / ".env"
    keys.write_text("CHAT_KEY=lk-a\nOPEN_WEBUI_KEY=lk-b\n")
    assert run(docker, "compose", "--env-file", str(keys), "config", "--quiet").returncode == 0


@pytest.mark.parametrize("name", ["foundry", "chat", "open-webui", "prometheus"])
def test_every_service_is_careful(name: str) -> None:
    """It is reached from this machine only, restarted, checked, and pinned to a version."""
    service = compose()["services"][name]
    assert [port for port in service["ports"] if not port.startswith("127.0.0.1:")] == []
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["image"] == "labkit" or (
        ":" in service["image"] and not service["image"].endswith((":latest", ":main"))
    )


def test_all_parts_agree_about_ports_and_the_network() -> None:
    """The gateway's port, the network that it believes, and where Prometheus and the others look for it."""
    services, command = compose()["services"], compose()["services"]["foundry"]["command"]
    (network,) = compose()["networks"]["inside"]["ipam"]["config"]
    for text in (command, (DEPLOY / "Dockerfile").read_text("utf-8").replace('", "', " ")):
        assert "--port 8443" in text
        assert f"--behind-proxy {network['subnet']}" in text
    assert services["chat"]["environment"]["BASE_URL"] == "http://foundry:8443/v1"
    assert services["open-webui"]["environment"]["OPENAI_API_BASE_URL"] == "http://foundry:8443/v1"
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["foundry:8443"]}]
    assert job["authorization"]["credentials_file"] == "/run/secrets/prometheus_key"
    assert services["prometheus"]["secrets"] == ["prometheus_key"]


def test_keys_of_a_deployment_are_never_committed() -> None:
    """git ignores the two places in which they lie."""
    for path in ("deploy/.env", "deploy/secrets/prometheus_key"):
        assert subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False).returncode == 0


# --- systemd


def test_systemd_accepts_the_unit_and_finds_it_well_confined(tmp_path: Path) -> None:
    """With the program where the unit looks for it; an exposure below 2 of 10 is what systemd calls OK."""
    verify = tool("systemd-analyze")
    text = (DEPLOY / "labkit-gateway.service").read_text("utf-8")
    unit = tmp_path / "labkit-gateway.service"
    unit.write_text(text.replace("/opt/labkit/bin", str(Path(sys.executable).parent)))
    checked = run(verify, "verify", unit)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    exposure = run(verify, "security", "--offline=true", "--threshold=20", unit)
    assert exposure.returncode == 0, exposure.stdout[-300:]


# --- proxies


@dataclass
class Front:
    """A proxy that runs.

    Attributes:
        port: where it speaks TLS.
        trust: what to check its certificate with.
    """

    port: int
    trust: ssl.SSLContext

    def connect(self) -> ssl.SSLSocket:
        """Opens a TLS connection."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return self.trust.wrap_socket(raw, server_hostname="127.0.0.1")


def nginx(folder: Path, port: int, gateway: int, page: int) -> list[str]:
    """Writes our nginx.conf with these ports, checks it, and gives the command that runs it."""
    site = (DEPLOY / "nginx.conf").read_text("utf-8")
    for ours, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("127.0.0.1:8443", f"127.0.0.1:{gateway}"),
        ("127.0.0.1:8080", f"127.0.0.1:{page}"),
        ("/etc/ssl/labkit", str(folder)),
    ):
        assert ours in site
        site = site.replace(ours, here)
    (folder / "site.conf").write_text(site)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    main = f"daemon off; pid {folder}/pid; error_log stderr warn; events {{}} http {{ access_log off; {paths}"
    (folder / "main.conf").write_text(f"{main} include {folder}/site.conf; }}")
    command = [tool("nginx"), "-e", "stderr", "-c", str(folder / "main.conf")]
    checked = run(*command, "-t")
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr.replace('"user" directive', "")
    return command


def caddy(folder: Path, port: int, gateway: int, page: int) -> list[str]:
    """Writes our Caddyfile with these ports, checks it, and gives the command that runs it."""
    text = (DEPLOY / "Caddyfile").read_text("utf-8")
    for ours, here in (
        ("{\n\tservers", "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers"),
        ("chat.example.org {", f"https://127.0.0.1:{port} {{\n\ttls {folder}/cert.pem {folder}/key.pem"),
        ("127.0.0.1:8443", f"127.0.0.1:{gateway}"),
        ("127.0.0.1:8080", f"127.0.0.1:{page}"),
    ):
        assert ours in text
        text = text.replace(ours, here)
    (folder / "Caddyfile").write_text(text)
    options = ["--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    checked = run(tool("caddy"), "validate", *options)
    assert checked.returncode == 0, checked.stderr
    return [tool("caddy"), "run", *options]


@contextmanager
def fronted(kind: str, folder: Path, gateway: int, page: int) -> Iterator[Front]:
    """Runs a proxy with our configuration."""
    certificate, _ = make_certificate(folder)
    port = free_port()
    command = {"nginx": nginx, "caddy": caddy}[kind](folder, port, gateway, page)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: process.poll() is None and not is_free(port))
        yield Front(port, ssl.create_default_context(cafile=str(certificate)))
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def there() -> Iterator[Guarded]:
    """Gives a gateway in front of a slow cloud."""
    with guarded(GENEROUS, profile=SLOW) as made:
        yield made


@pytest.fixture(scope="module")
def page(home: Path) -> Iterator[int]:
    """Gives the port of the real chat application."""
    with launch.chat(port=free_port(), show=False, env={"MODEL": "course-small"}) as program:
        yield int(program.url.rsplit(":", 1)[1])


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def front(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, there: Guarded, page: int
) -> Iterator[Front]:
    """Gives each of the two proxies in front of both."""
    with fronted(request.param, tmp_path_factory.mktemp(request.param), there.address[1], page) as made:
        yield made


def ask(front: Front, there: Guarded, **changes: Any) -> HTTPSConnection:
    """Sends a chat request through the proxy, and gives the connection before anything was read."""

    connection = HTTPSConnection("127.0.0.1", front.port, timeout=30, context=front.trust)
    headers = {"Authorization": f"Bearer {there.key}", "Content-Type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(chat(there.lab.model) | changes), headers)
    return connection


def test_a_stream_comes_through_piece_by_piece(front: Front, there: Guarded) -> None:
    """The first token is here while the cloud still writes."""
    connection = ask(front, there, stream=True)
    answer = connection.getresponse()
    received = b""
    while b"word1" not in received:
        received += answer.read1(4096)
    assert there.requests[-1].ended is None
    assert there.requests[-1].completion_tokens < 15
    connection.close()


def test_a_user_who_leaves_stops_the_model_through_the_proxy(front: Front, there: Guarded) -> None:
    """The proxy closes its side, too."""
    connection = ask(front, there, stream=True)
    connection.getresponse().read1(10)
    connection.close()
    request = there.requests[-1]
    eventually(lambda: request.ending == "left")


def test_the_gateway_still_refuses_and_is_believed(front: Front, there: Guarded) -> None:
    """401, 404 and 413 come from behind the proxy as they are."""
    for path, key, status in (("/v1/models", "wrong", 401), ("/v1/models", there.key, 200), ("/v1/x", there.key, 404)):
        connection = HTTPSConnection("127.0.0.1", front.port, timeout=30, context=front.trust)
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        assert connection.getresponse().status == status
        connection.close()
    connection = ask(front, there, user="x" * 3_000_000)
    assert connection.getresponse().status == 413
    connection.close()


def test_no_trick_leads_from_the_proxy_to_the_model_server(front: Front, there: Guarded) -> None:
    """What the proxy folds, the gateway does not know."""
    for target in ("/v1/../shutdown", "/v1/%2e%2e/shutdown", "//v1/shutdown", "/v1/..%2fshutdown"):
        with front.connect() as connection:
            head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {there.key}\r\n"
            connection.sendall(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
            status = int(connection.recv(4096).split(b" ")[1])
        assert status in (400, 403, 404, 405), target


def test_the_chat_page_and_its_websocket_come_through(front: Front) -> None:
    """The page loads, the connection changes its protocol, and the server speaks first."""
    connection = HTTPSConnection("127.0.0.1", front.port, timeout=60, context=front.trust)
    connection.request("GET", "/")
    assert b"<html" in connection.getresponse().read()
    connection.close()
    with front.connect() as wrapped:
        token = base64.b64encode(os.urandom(16)).decode()
        head = (
            "GET /ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {token}\r\n\r\n"
        )
        wrapped.sendall(head.encode())
        received = b""
        while b'0{"sid"' not in received and (more := wrapped.recv(4096)):
            received += more
    assert received.startswith(b"HTTP/1.1 101")
    assert b'0{"sid"' in received


def test_many_streams_at_once_come_through(front: Front, there: Guarded) -> None:
    """Twenty at a time, none of them broken."""
    texts: list[bytes] = []

    def read() -> None:
        connection = ask(front, there, stream=True, max_tokens=5)
        texts.append(connection.getresponse().read())
        connection.close()

    threads = [threading.Thread(target=read) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(texts) == 20
    assert all(b"[DONE]" in text for text in texts)
