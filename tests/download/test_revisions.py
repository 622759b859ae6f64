"""An official model at another revision of the hub, such as gpt2@main."""

from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite.config import GPTConfig
from gptlite.download.fetch import fetch_model, fetch_tokenizer, verify_model
from gptlite.download.locate import locate
from gptlite.download.official import SOURCES, required_name
from gptlite.download.places import model_folder
from gptlite.errors import CheckpointError, DownloadError
from gptlite.model import GPT
from gptlite.tokenizer import Tokenizer
from servers import COMMIT, MAIN, Server, files_of, names, put_commit, put_files

pytestmark = pytest.mark.usefixtures("waits")


def test_main_on_request(branch: Server, tmp_path: Path) -> None:
    pinned, _ = gptlite.load("gpt2")
    model, tokenizer = gptlite.load("124M@main")
    newer = GPT.from_pretrained(tmp_path / "newer")
    for name, array in newer.parameters.items():
        assert np.array_equal(model.parameters[name], array)
    assert not np.array_equal(pinned.parameters["wte.weight"], model.parameters["wte.weight"])
    assert tokenizer.encode(" dog") != gptlite.load("gpt2")[1].encode(" dog")
    folder = model_folder("gpt2@main")
    assert folder.name == "gpt2@main" and folder.parent == model_folder("gpt2").parent
    assert names(folder) == {*files_of(SOURCES["gpt2"][0]), "revision.json"}
    assert f'"commit": "{COMMIT}"' in (folder / "revision.json").read_text()
    heads = [at for at in branch.paths if at.startswith("HEAD")]
    # Only the first is requested from the branch: the others must be from the same commit.
    assert [at.split("/")[-2] for at in heads] == ["main", COMMIT, COMMIT, COMMIT]
    before = len(branch.paths)
    gptlite.load("gpt2@main")
    assert Tokenizer.from_pretrained("gpt2@main").encode(" dog") == tokenizer.encode(" dog")
    assert locate("small@main") == verify_model("gpt2@main") == folder
    assert len(branch.paths) == before


def test_gpt1_is_fetched_from_the_hub_with_its_own_tokenizer(
    hosts: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = required_name("openai-gpt")
    commit = name.partition("@")[2]
    config = GPTConfig(n_vocab=17, n_ctx=8, n_embd=4, n_head=2, n_layer=1, post_norm=True)
    GPT.init(config, 3).save_pretrained(tmp_path / "gpt1")
    tokens = ["<unk>", *"abelow.", *(f"{c}</w>" for c in "abelow."), "\n</w>", "lo"]
    words = Tokenizer({token: i for i, token in enumerate(tokens)}, [("l", "o")])
    words.save_pretrained(tmp_path / "gpt1")
    put_files(hosts, commit, tmp_path / "gpt1", MAIN.replace("/gpt2/", "/openai-gpt/"))
    for asked in ("openai-gpt", "openai-community/openai-gpt"):
        model, tokenizer = gptlite.load(asked)
        assert model.config == config
        assert tokenizer.encode("Low. Ball") == words.encode("low . ball")
    assert Tokenizer.from_pretrained("openai-gpt").vocab == words.vocab
    assert verify_model(name) == model_folder(name)
    # GPT-2 has another tokenizer, and gets its own.
    assert gptlite.load("gpt2")[1].n_vocab == 260


def test_a_revision_is_not_mistaken_for_the_known_one(
    branch: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_model("gpt2@main")
    monkeypatch.setenv("GPTLITE_OFFLINE", "1")
    for fetch in (fetch_model, fetch_tokenizer):
        with pytest.raises(DownloadError, match="GPTLITE_OFFLINE"):
            fetch("gpt2")
        assert fetch("gpt2@main") == model_folder("gpt2@main")
        with pytest.raises(DownloadError, match="GPTLITE_OFFLINE"):
            fetch("gpt2@v2")


def test_a_branch_that_moves_on_meanwhile(branch: Server, tmp_path: Path) -> None:
    branch.faults += [{}] * 5 + [{"status": 404}]  # four are asked for, one comes
    with pytest.raises(DownloadError):
        fetch_model("gpt2@main")
    put_commit(branch, COMMIT[::-1], 6, tmp_path / "newest")
    fetch_model("gpt2@main")
    for name in files_of(SOURCES["gpt2"][0]):
        file = model_folder("gpt2@main") / name
        assert file.read_bytes() == (tmp_path / "newer" / name).read_bytes()


def test_files_of_an_older_commit_do_not_stay_among_newer_ones(
    branch: Server, tmp_path: Path
) -> None:
    """If the note is lost: the weights have the same size."""
    folder = fetch_model("gpt2@main")
    put_commit(branch, COMMIT[::-1], 6, tmp_path / "newest")
    (folder / "revision.json").unlink()
    before = len(branch.paths)
    fetch_model("gpt2@main")
    weights = (tmp_path / "newest" / "model.safetensors").read_bytes()
    assert (folder / "model.safetensors").read_bytes() == weights
    fetched = [at for at in branch.paths[before:] if not at.startswith("HEAD")]
    assert [at.rpartition("/")[2] for at in fetched] == ["model.safetensors"]  # the rest is right


def test_a_tokenizer_of_a_revision(branch: Server) -> None:
    fetch_model("gpt2")
    folder = fetch_tokenizer("gpt2@main")
    assert names(folder) == {"vocab.json", "merges.txt", "revision.json"}
    assert fetch_tokenizer("gpt2-xl") == model_folder("gpt2")


@pytest.mark.parametrize("file", ["config.json", "merges.txt", "vocab.json", "model.safetensors"])
def test_files_of_a_revision_are_checked(branch: Server, file: str) -> None:
    address = f"{MAIN.replace('main', COMMIT)}/{file}"
    good = branch.files[address]
    branch.files[address] = good[:-2] + b"?" + good[-1:]
    kind = "sha256" if file == "model.safetensors" else "git sha1"
    with pytest.raises(DownloadError, match=f"{address}: expected {kind} [0-9a-f]+, found"):
        fetch_model("gpt2@main")
    assert file not in names(model_folder("gpt2@main"))
    branch.files[address] = good
    folder = fetch_model("gpt2@main")
    (folder / file).write_bytes(good[:-2] + b"?" + good[-1:])
    with pytest.raises(CheckpointError, match=f"{file}: expected {kind}"):
        verify_model("gpt2@main")


@pytest.mark.parametrize(
    "told",
    [
        *({"X-Repo-Commit": value} for value in ("", "main", COMMIT[1:], "../" + COMMIT[3:])),
        *({"ETag": value} for value in ("", '"one"', f'"{COMMIT}0"', f"'{COMMIT}'")),
    ],
)
def test_a_hub_that_does_not_say_what_its_files_are(branch: Server, told: dict[str, str]) -> None:
    branch.faults += [{"headers": told}]
    with pytest.raises(DownloadError, match=r"main/config\.json: expected a commit .* checksum"):
        fetch_model("gpt2@main")
    assert names(model_folder("gpt2@main")) == set()


def test_redirects_within_the_hub(branch: Server) -> None:
    """A small file's HEAD leads to another path, which has the headers."""
    for name in ("config.json", "merges.txt", "vocab.json"):
        for at in (MAIN, MAIN.replace("main", COMMIT)):
            told = branch.heads[f"{at}/{name}"]
            to = f"/api/resolve-cache/models/openai-community/gpt2/{COMMIT}/{name}?etag=%22a%22"
            branch.heads[to] = told
            branch.heads[f"{at}/{name}"] = (307, {"Location": to, "Content-Length": "0"})
    assert fetch_model("gpt2@main") == model_folder("gpt2@main") == verify_model("gpt2@main")


def test_a_redirect_that_leads_in_a_circle(branch: Server) -> None:
    branch.heads[f"{MAIN}/config.json"] = (307, {"Location": f"{MAIN}/config.json"})
    with pytest.raises(DownloadError, match=r"main/config\.json: expected a commit"):
        fetch_model("gpt2@main")


def test_a_revision_that_there_is_not(branch: Server, waits: list[float]) -> None:
    with pytest.raises(DownloadError, match=r"resolve/v9/config\.json: .*found 404"):
        fetch_model("gpt2@v9")
    assert not waits
    branch.faults += [{"status": 503}, {"status": 429, "headers": {"Retry-After": "7"}}]
    fetch_model("gpt2@main")
    assert waits == [1, 7]


@pytest.mark.parametrize(
    "note", ["", "[]", "{}", '{"commit": 3, "files": []}', '{"commit": "%s", "files": [["x"]]}']
)
def test_a_note_of_a_revision_that_is_damaged(branch: Server, note: str) -> None:
    folder = fetch_model("gpt2@main")
    (folder / "revision.json").write_text(note.replace("%s", COMMIT))
    with pytest.raises(CheckpointError, match=r"gpt2@main: expected in .*found in none"):
        verify_model("gpt2@main")
    assert fetch_model("gpt2@main") == verify_model("gpt2@main") == folder
