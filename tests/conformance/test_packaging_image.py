"""The image, as far as it can be tried without a container engine: rules of its Dockerfile, what the build gets to
see, and (long: `make image`) its very steps, typed in another folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic

import pytest

from agents.settings import Settings
from deploy import alive
from tests.dockerfile import DOCKERFILE, DOCKERIGNORE, ROOT, Instruction, Stage, ignore_patterns, let_in, stages

BUILD, FINAL = stages(DOCKERFILE.read_text())
PATTERNS = ignore_patterns(DOCKERIGNORE.read_text())


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return listed.stdout.splitlines()


def sources(stage: Stage) -> list[str]:
    return [word for one in stage.all("COPY") if "--from" not in one.rest for word in one.words()[:-1]]


def test_both_stages_stand_on_one_exact_glibc_base() -> None:
    assert BUILD.base == FINAL.base
    name, _, tag = BUILD.base.partition(":")
    version, variant, release = tag.split("-")
    assert (name, variant, release) == ("python", "slim", "bookworm")
    assert version.count(".") == 2
    assert version.startswith("3.11."), "the version that pyproject.toml promises and the tests run on"


def test_what_runs_is_no_root_and_has_nothing_to_build_with() -> None:
    user = FINAL.all("USER")[-1].rest
    assert user == "10001:10001"
    after = FINAL.instructions[FINAL.instructions.index(FINAL.all("USER")[-1]) :]
    assert {one.name for one in after} <= {"USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    said = DOCKERFILE.read_text()
    assert not any(word in said for word in ("apt-get", "curl", "sudo", "ADD ", "chmod 777", "SHELL "))
    assert [one.rest for one in FINAL.all("COPY")] == ["--from=build /opt/d2ev /opt/d2ev"]


def test_packages_are_those_of_the_lock() -> None:
    installs = [one.rest for one in BUILD.all("RUN") if "pip" in one.rest and " install " in one.rest]
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert "-r requirements/runtime.txt" in installs[0]
    assert "--no-deps" in installs[1], "the project itself must bring nothing new"
    assert all("--no-cache-dir" in install for install in installs)


def test_settings_of_the_image_exist_and_none_is_a_secret() -> None:
    given = {name: value for name, value in FINAL.environment().items() if name.startswith("D2EV_")}
    fields = {f"D2EV_{name.upper()}": found for name, found in Settings.model_fields.items()}
    assert given.keys() <= fields.keys()
    assert not any("Secret" in str(fields[name].annotation) for name in given)
    assert FINAL.all("ARG"), "version and revision are given by who builds"
    assert not any("KEY" in one.rest or "PASSWORD" in one.rest for stage in (BUILD, FINAL) for one in stage.all("ARG"))


def test_what_a_process_writes_by_default_is_in_the_volume() -> None:
    volume = FINAL.all("VOLUME")[0].rest
    assert FINAL.all("WORKDIR")[-1].rest == volume
    settings = Settings()
    assert not settings.data_dir.is_absolute()
    assert not settings.held_file.is_absolute()
    assert settings.data_dir != Path(), "a worker moves a damaged store aside, which a mount does not let it"


def test_it_asks_its_own_health_and_ends_by_a_signal() -> None:
    check = FINAL.all("HEALTHCHECK")[0].rest
    assert check.endswith('CMD ["python", "-m", "deploy.alive"]')
    assert FINAL.all("ENTRYPOINT")[0].words() == ["d2ev"], "the exec form: signals reach the process"
    assert FINAL.all("CMD")[0].words() == ["worker"]
    ports = {int(port) for port in FINAL.all("EXPOSE")[0].rest.split()}
    settings = Settings()
    doors = {settings.api_port, settings.ingress_port, settings.bridge_port, settings.queries_port}
    assert ports == {settings.health_port, *doors}
    assert settings.health_port == alive.DEFAULT_PORT


def test_every_source_exists_and_reaches_the_build() -> None:
    files = [path for path in tracked() if let_in(path, PATTERNS)]
    for source in sources(BUILD):
        assert (ROOT / source).exists(), source
        assert any(path == source or path.startswith(f"{source}/") for path in files), source


def test_nothing_that_runs_is_left_out() -> None:
    packages = ("streams/", "tables/", "oem_connectors/", "agents/", "deploy/")
    needed = [path for path in tracked() if path.startswith(packages) and not path.startswith("deploy/helm/")]
    assert [path for path in needed if not let_in(path, PATTERNS)] == [
        path for path in needed if path.startswith(("deploy/Dockerfile", "deploy/compose"))
    ]


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".env",
        "agents/.env",
        "deploy/d2ev.env",
        "deploy/.env.production",
        "deploy/tls/ca.pem",
        "agents/client.key",
        ".kafka/data/x",
        ".d2ev/try/held.json",
        "deploy/data/held.json",
        "tests/unit/test_cli.py",
        "docs/topics.md",
        ".venv/bin/python",
        "agents/__pycache__/settings.cpython-311.pyc",
        "requirements/dev.txt",
        "feeds.toml",
        "deploy/helm/d2ev/values.yaml",
    ],
)
def test_what_is_secret_or_idle_stays_outside(path: str) -> None:
    assert not let_in(path, PATTERNS)


class Answer(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (500, 1), (503, 1)])
def test_the_health_check_says_what_the_process_says(
    port: int, status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answer, "status", status)
    monkeypatch.setenv("D2EV_HEALTH_PORT", str(port))
    monkeypatch.setenv("D2EV_LISTEN", "0.0.0.0")
    assert alive.main() == code


def test_nobody_there_is_not_well() -> None:
    assert not alive.alive("127.0.0.1", 1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_steps_of_the_build_make_an_image_that_runs(tmp_path: Path) -> None:
    """Every COPY and RUN of the first stage, and entry point and health check of the second, below another root."""
    opt, home = tmp_path / "opt/d2ev", tmp_path / "home"
    context = [path for path in tracked() if let_in(path, PATTERNS)]
    opt.mkdir(parents=True)
    home.mkdir()
    for step in BUILD.instructions:
        if step.name == "COPY":
            copy(step.words(), context, opt)
        elif step.name == "RUN":
            plain = {"PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}
            subprocess.run(["/bin/sh", "-ec", step.rest], cwd=opt, env=plain | registry(), check=True)
    assert not list(opt.rglob("*.egg-info"))
    assert not list(opt.glob("venv/lib/*/site-packages/pip")), "nothing to install with"
    assert sum(path.stat().st_size for path in opt.rglob("*") if path.is_file()) < 900e6
    subprocess.run(["chmod", "-R", "a-w", str(opt)], check=True)
    try:
        runs(opt, home)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(opt)], check=True)


def registry() -> dict[str, str]:
    """How this machine reaches its package index."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTP", "http"))}


def copy(words: list[str], context: list[str], to: Path) -> None:
    *found, target = words
    for path in context:
        for source in found:
            if path == source:
                place = to / target / Path(path).name if target.endswith("/") else to / target
            elif path.startswith(f"{source}/"):
                place = to / target / path.removeprefix(f"{source}/")
            else:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, place)


def runs(opt: Path, home: Path) -> None:
    """The guardian, as the image starts it, is well by the image's own check, and ends by SIGTERM."""
    environment = FINAL.environment() | {"PATH": f"{opt}/venv/bin:/usr/bin:/bin", "HOME": str(home)}
    environment |= {"D2EV_LISTEN": "127.0.0.1", "D2EV_HEALTH_PORT": str(free_port()), "D2EV_BOOTSTRAP": "127.0.0.1:1"}
    (entry,) = FINAL.all("ENTRYPOINT")[0].words()
    topics = [str(opt / "venv/bin" / entry), "topics", "list"]
    listed = subprocess.run(topics, cwd=home, env=environment, check=True, capture_output=True, text=True)
    assert "d2ev.vehicle.state.v1" in listed.stdout
    check = Instruction("CMD", FINAL.all("HEALTHCHECK")[0].rest.partition("CMD ")[2]).words()
    with subprocess.Popen([opt / "venv/bin" / entry, "guardian"], cwd=home, env=environment) as process:
        try:
            give_up = monotonic() + 60
            check[0] = str(opt / "venv/bin" / check[0])
            while subprocess.run(check, cwd=home, env=environment, check=False).returncode:
                assert monotonic() < give_up, "never well"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])
