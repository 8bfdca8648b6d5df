"""What the doctor finds on a healthy machine, and on one where everything is wrong."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Terminal

from labkit import doctor, kernel
from labkit.client import Lab
from labkit.doctor import Finding, Report

PACKAGE = Path(doctor.__file__).parent


@pytest.fixture(scope="module")
def healthy(home: Path) -> Report:
    """Gives the report on the machine of the tests, with the kernel registered."""
    kernel.register()
    return doctor.check()


@pytest.fixture(scope="module")
def sick(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Gives the report on a machine with the old SDK, an old CLI, a taken port and a stranger's kernel."""
    folder = tmp_path_factory.mktemp("sick")
    _old_sdk(folder)
    _command(folder / "foundry")
    _stranger_kernel(folder)
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as taken:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder))
        patch.setenv("PATH", str(folder), prepend=os.pathsep)
        patch.setenv("FOUNDRY_PORT", str(taken.getsockname()[1]))
        patch.setattr(sys, "prefix", str(folder))
        return doctor.check()


def test_a_healthy_machine_has_nothing_to_mend(healthy: Report) -> None:
    """Every check that the course needs is there, and none fails."""
    names = [finding.name for finding in healthy.findings]
    expected = ["Python", "Settings", "Packages", "Model course-large", "Model course-small", "Foundry Local", "Memory"]
    assert [name for name in names if name in expected] == expected
    assert {"Port 8080", "Port 5173", "Port 3000", "Kernel"} <= set(names)
    assert healthy.is_ok


def test_every_package_is_compared_with_its_pin(healthy: Report) -> None:
    """The pins are those that labkit was installed with."""
    assert _find(healthy, "Packages").status == "OK"


def test_the_runtime_is_really_started(healthy: Report) -> None:
    """A wheel that is installed may still not run."""
    assert _find(healthy, "Foundry Local").detail.startswith("SDK 2.2.1 started and stopped in ")


def test_the_network_is_not_touched_unless_asked(healthy: Report) -> None:
    """Nothing leaves the machine by itself."""
    assert "Network" not in [finding.name for finding in healthy.findings]


def test_the_report_is_text_with_a_word_for_each_status(healthy: Report) -> None:
    """It can be read aloud, printed and pasted."""
    lines = repr(healthy).splitlines()
    assert lines[0].startswith("[OK]   Python: 3.")
    assert all(line.startswith(("[OK]", "[WARN]", "[FAIL]", "       Fix: ")) for line in lines)


def test_the_html_report_says_the_word_beside_each_symbol() -> None:
    """Colour and symbol alone would not reach everybody, and a path is no HTML."""
    report = Report((Finding("OK", "a", "b"), Finding("WARN", "c", "<d>", "e"), Finding("FAIL", "f", "g", "h")))
    html = report._repr_html_()
    assert all(f"<td>{shown}</td>" in html for shown in ("✔ OK", "▲ WARN", "✘ FAIL", "&lt;d&gt;"))
    assert "<caption>" in html


def test_the_old_sdk_fails_and_the_fix_is_named(sick: Report) -> None:
    """Version 0.5.1 has the same name in the package index, and another interface."""
    finding = _find(sick, "Foundry Local")
    assert finding.status == "FAIL"
    assert "labkit needs foundry-local-sdk 2.x, and here it is 0.5.1" in finding.detail
    assert finding.fix
    assert not sick.is_ok


def test_a_package_at_another_version_is_named(sick: Report) -> None:
    """With the version that is there and the one that the course was made with."""
    finding = _find(sick, "Packages")
    assert (finding.status, finding.detail) == ("WARN", "foundry-local-sdk 0.5.1 (wanted 2.2.1)")


def test_leftovers_of_the_old_sdk_and_cli_are_warnings(sick: Report) -> None:
    """They confuse, and do not break anything."""
    assert _find(sick, "Old SDK").status == "WARN"
    assert _find(sick, "Old CLI").status == "WARN"


def test_a_taken_port_names_its_holder(sick: Report) -> None:
    """The holder is this very process."""
    finding = next(f for f in sick.findings if f.name.startswith("Port"))
    assert finding.status == "WARN"
    assert f"(process {os.getpid()}) holds it" in finding.detail
    assert "FOUNDRY_PORT=" in finding.fix


def test_a_kernel_that_starts_another_python_is_a_warning(sick: Report) -> None:
    """It was left by an environment that has moved."""
    finding = _find(sick, "Kernel")
    assert finding.status == "WARN"
    assert "/elsewhere/python" in finding.detail


def test_an_unregistered_kernel_is_a_warning_until_it_is_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registering writes into the environment, and nowhere else."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert not kernel.is_registered()
    assert kernel.register().is_relative_to(tmp_path)
    assert kernel.is_registered()


def test_a_shared_service_on_the_port_is_fine(small: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is taken by the very program that it is meant for."""
    port = small.endpoint.removesuffix("/v1").rpartition(":")[2]
    monkeypatch.setenv("FOUNDRY_PORT", port)
    finding = _find(doctor.check(), f"Port {port}")
    assert finding.status == "OK"
    assert "course-small:1" in finding.detail


def test_bad_settings_and_an_unwritable_home_are_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor itself survives what it looks for, and its exit code says that something must be mended."""
    (tmp_path / "file").touch()
    terminal = Terminal(capsys, monkeypatch)
    shown = terminal.type("doctor", LABKIT_HOME=str(tmp_path / "file" / "home"))
    assert shown.code == 1
    assert "[FAIL] Foundry Local: SDK 2.2.1 does not start: labkit cannot write to" in shown.out
    shown = terminal.type("doctor", FOUNDRY_PORT="many")
    assert shown.code == 1
    assert "[FAIL] Settings: FOUNDRY_PORT='many' cannot be used" in shown.out


def test_a_damaged_model_file_fails(tmp_path: Path) -> None:
    """One wrong byte in the installation is found by its SHA-256, and the fix restores it."""
    copy = tmp_path / "labkit"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("training", "__pycache__"))
    weights = copy / "models" / "course-small" / "model.onnx.data"
    weights.write_bytes(b"?" + weights.read_bytes()[1:])
    command = [sys.executable, "-m", "labkit", "doctor"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "LABKIT_HOME": str(tmp_path / "home")}
    looked = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert looked.returncode == 1
    assert "[FAIL] Model course-small: missing or damaged: model.onnx.data\n       Fix: git checkout" in looked.stdout


def test_the_network_is_a_note_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bundled models need none, so that a catalog that does not answer is no failure."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    monkeypatch.setenv("FOUNDRY_CATALOG_URL", f"http://127.0.0.1:{port}/asset-gallery/v1.0/models")
    report = doctor.check(network=True)
    assert _find(report, "Network").status == "WARN"
    assert report.is_ok


def _find(report: Report, name: str) -> Finding:
    return next(finding for finding in report.findings if finding.name == name)


def _old_sdk(folder: Path) -> None:
    (folder / "foundry_local").mkdir()
    (folder / "foundry_local" / "__init__.py").touch()
    facts = folder / "foundry_local_sdk-0.5.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: foundry-local-sdk\nVersion: 0.5.1\n")


def _command(path: Path) -> None:
    path = path.with_suffix(".bat" if os.name == "nt" else "")
    path.write_text("")
    path.chmod(0o755)


def _stranger_kernel(prefix: Path) -> None:
    folder = prefix / "share" / "jupyter" / "kernels" / kernel.NAME
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text('{"argv": ["/elsewhere/python"]}')
