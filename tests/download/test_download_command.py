"""The command: python -m gptlite.download."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gptlite.download import __main__ as door
from gptlite.download.official import SOURCES
from gptlite.download.places import model_folder
from servers import Server, wait_until

pytestmark = pytest.mark.usefixtures("waits")


def test_the_command(hosts: Server, capsys: Any) -> None:
    folder = model_folder("gpt2")
    assert door.main(["--where"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == str(folder.parent) and out[1] == "gpt2         not here" and len(out) == 5
    assert door.main(["--verify", "gpt2"]) == 2
    assert "gptlite download: error: gpt2: expected in " in capsys.readouterr().err
    assert door.main(["124M"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert door.main(["--verify", "small"]) == 0
    assert capsys.readouterr().out == f"{folder}\n"
    assert door.main(["--where"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"gpt2         0.0 MB: {folder}"
    assert door.main(["--verify", "small@main"]) == 2
    assert "gpt2@main: expected in " in capsys.readouterr().err
    (model_folder("gpt2@main")).mkdir()
    (model_folder("gpt2@main") / "config.json.part").write_bytes(bytes(200_000))
    (folder / "config.json").unlink()
    assert door.main(["--where"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[5:] == [f"gpt2@main    0.2 MB, incomplete: {folder}@main"]
    assert door.main(["--where"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"gpt2         0.0 MB, incomplete: {folder}"


@pytest.mark.parametrize(
    "arguments", [["gpt5"], ["--verify", "gpt5"], ["./x"], ["gpt2@"], ["gpt2@../x"], ["gpt5@main"]]
)
def test_an_unknown_name(arguments: list[str], capsys: Any) -> None:
    assert door.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("gptlite download: error: unknown model")


@pytest.mark.parametrize("arguments", [[], ["gpt2", "--where"], ["--verify"], ["gpt2", "gpt2-xl"]])
def test_options_that_make_no_sense(arguments: list[str], capsys: Any) -> None:
    with pytest.raises(SystemExit) as stop:
        door.main(arguments)
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX's signals")
def test_ctrl_c_in_the_command(server: Server, tmp_path: Path) -> None:
    server.files.clear()
    hub = SOURCES["gpt2"][0]
    server.files[f"/{hub.folder}/config.json"] = b"?" * 665
    server.faults += [{"stall": 100}]
    environment = os.environ | {"HF_ENDPOINT": server.url}
    command = [sys.executable, "-m", "gptlite.download", "gpt2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        wait_until(lambda: (model_folder("gpt2") / "config.json.part.json").exists())
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, "") and "Traceback" not in err, err
    assert err.splitlines()[-1].startswith("gptlite download: error: interrupted")
    assert (model_folder("gpt2") / "config.json.part").exists()
    assert not (model_folder("gpt2") / "config.json").exists()


def test_importing_gptlite_imports_no_downloader() -> None:
    code = "import sys, gptlite; print(sorted({'requests', 'tqdm', 'urllib3'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout == "[]\n"
