"""The number of cores, within what a container may use."""

from pathlib import Path

import pytest

from cnncli.engines import cores
from cnncli.engines.cores import cpu_quota, usable_cores


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


@pytest.mark.parametrize(
    ("own", "parent", "quota"),
    [
        ("max 100000", "max 100000", None),
        ("150000 100000", "max 100000", 1.5),
        ("max 100000", "400000 100000", 4),
    ],
)
def test_quotas_of_version_2(tmp_path: Path, own: str, parent: str, quota: float | None) -> None:
    """That of the group around it counts, too."""
    (tmp_path / "membership").write_text("0::/pod/container\n")
    write(tmp_path / "groups/pod", cpu__max=f"{parent}\n")
    write(tmp_path / "groups/pod/container", cpu__max=f"{own}\n")
    assert cpu_quota(tmp_path / "groups", tmp_path / "membership") == quota


@pytest.mark.parametrize(("text", "quota"), [("-1", None), ("50000", 0.5)])
def test_quotas_of_version_1(tmp_path: Path, text: str, quota: float | None) -> None:
    (tmp_path / "membership").write_text("4:memory:/x\n1:cpu,cpuacct:/docker/1\n0::/\n")
    write(tmp_path / "groups/cpu", cpu__cfs_quota_us=text, cpu__cfs_period_us="100000\n")
    assert cpu_quota(tmp_path / "groups", tmp_path / "membership") == quota


def test_without_control_groups_there_is_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path, tmp_path / "none") is None


def test_cores_are_limited_by_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda: None)
    everything = usable_cores()
    monkeypatch.setattr(cores, "cpu_quota", lambda: 0.5)
    assert usable_cores() == 1
    monkeypatch.setattr(cores, "cpu_quota", lambda: 1e6)
    assert usable_cores() == everything
