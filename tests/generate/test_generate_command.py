"""The command ``python -m gptlite.generate``, as a shell meets it."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gptlite
from gptlite.config import GPTConfig
from gptlite.generate import generate, generate_samples, generate_tokens
from gptlite.generate.__main__ import command_line, main
from gptlite.layers import softmax
from gptlite.model import GPT
from gptlite.sampling import Sampler
from gptlite.tokenizer import Tokenizer
from gptlite.views.terminal import coloured, has_colour, told_apart
from gptlite.views.text import token_label

ROOT = Path(__file__).resolve().parents[2]
ENDLESS = ["--max-new-tokens", "1000000000", "--overflow", "slide"]
STORY = "漢字 é🙂 ist schön, "
NO_UTF8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model that at temperature 0 tells STORY, by position, over and over."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer.train([""], 257)
    model = GPT.init(GPTConfig(n_vocab=257, n_ctx=64, n_embd=64, n_head=1, n_layer=1), seed=0)
    for name, array in model.parameters.items():
        if name.startswith("h."):
            array[...] = 0
    wte, wpe = model.parameters["wte.weight"], model.parameters["wpe.weight"]
    wte[...] = np.random.default_rng(0).standard_normal(wte.shape, np.float32)
    ids = tokenizer.encode(STORY)
    for position in range(64):
        wpe[position] = 3 * wte[ids[position % len(ids)]]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def command(*args: str | bytes | Path) -> list[str | bytes | Path]:
    # Any warning would be a second line on stderr: of a module imported twice, say.
    return [sys.executable, "-W", "error", "-m", "gptlite.generate", *args]


def environment(**changes: str) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Unbuffered output would hide a flush that is missing.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return inherited | {"PYTHONPATH": os.pathsep.join(paths)} | changes


def run(
    *args: str | bytes | Path, stdin: str | bytes = b"", **changes: str
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of the command."""
    stdin = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        command(*args), input=stdin, capture_output=True, env=environment(**changes), timeout=60
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def start(*args: str | bytes | Path, **options) -> subprocess.Popen[bytes]:
    # A shell's background jobs ignore Ctrl-C, and their children inherit that.
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command(*args), env=environment(), preexec_fn=listen, **pipes | options)


def called(capsys, *args: str | Path) -> tuple[int, str, str]:
    """The same within this process, which is faster."""
    try:
        status = main([str(arg) for arg in args])
    except SystemExit as exit:
        status = exit.code
    return status, *capsys.readouterr()


def continued(folder: Path, prompt: str | None, n: int) -> str:
    return generate(*gptlite.load(folder), prompt, max_new_tokens=n, temperature=0)


# ---- What it prints -----------------------------------------------------------------------------


def test_prints_the_prompt_and_its_continuation(folder):
    status, out, err = run("é", "--model", folder, "--temperature", "0", "--max-new-tokens", "50")
    assert (status, err) == (0, "")
    assert out == "é" + continued(folder, "é", 50) + "\n"
    assert "🙂 ist schön" in out


def test_the_options_are_generate_s(folder, capsys):
    args = ["a", "--model", folder, "--temperature", "1.5", "--top-k", "100", "--top-p", "0.99"]
    args += ["--repetition-penalty", "1.5", "--seed", "3", "--max-new-tokens", "90"]
    args += ["--overflow", "slide", "--stop", "\ufffd\ufffd\ufffd", "--stop", "zz"]
    expected = generate(
        *gptlite.load(folder),
        "a",
        max_new_tokens=90,
        temperature=1.5,
        top_k=100,
        top_p=0.99,
        repetition_penalty=1.5,
        seed=3,
        stop=["\ufffd\ufffd\ufffd", "zz"],
        overflow="slide",
    )
    assert called(capsys, *args) == (0, f"a{expected}\n", "")
    assert called(capsys, *args, "--no-stream") == (0, f"a{expected}\n", "")


def test_the_defaults_are_generate_s(folder, capsys):
    expected = generate(*gptlite.load(folder), "a", seed=0)
    assert called(capsys, "a", "--model", folder, "--seed", 0) == (0, f"a{expected}\n", "")


def test_pieces_are_printed_as_they_are_made_or_all_at_once(folder, monkeypatch):
    class Screen(io.RawIOBase):
        shown: list[bytes] = []  # noqa: RUF012

        def writable(self):
            return True

        def write(self, data):
            self.shown.append(bytes(data))
            return len(data)

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(Screen())))
    args = ["a", "--model", str(folder), "--temperature", "0", "--max-new-tokens", "20"]
    text = continued(folder, "a", 20)
    for option, pieces in [([], [*text]), (["--no-stream"], [text])]:
        Screen.shown = []
        assert main(args + option) == 0
        assert Screen.shown == [piece.encode() for piece in ["a", *pieces, "\n"]]


def test_samples_stand_under_headings(folder, capsys):
    status, out, err = called(capsys, "a", "--model", folder, "--num-samples", 3, "--seed", 0)
    texts = generate_samples(*gptlite.load(folder), "a", 3, seed=0)
    assert (status, err) == (0, "")
    assert out == "".join(f"=== sample {n} ===\na{text}\n" for n, text in enumerate(texts, 1))


def test_show_lists_each_token_with_its_runners_up(folder, capsys):
    status, out, err = called(
        capsys, "x", "--model", folder, "--show", "--seed", 3, "--max-new-tokens", 5
    )
    assert (status, err) == (0, "")
    lines, text = out.split("\n\n")
    model, tokenizer = gptlite.load(folder)
    expected = generate(model, tokenizer, "x", max_new_tokens=5, seed=3)
    assert text == f"x{expected}\n"
    ids = tokenizer.encode("x")
    steps = generate_tokens(model, [ids], Sampler(), 5, seed=3)
    for line, step in zip(lines.splitlines(), steps, strict=True):
        name, own, rank, *others = line.split()
        probabilities = softmax(step.logits[0])
        [chosen] = step.ids
        assert name == told_apart(token_label(tokenizer.decode_bytes([chosen])))
        assert own == f"{probabilities[chosen]:.2f}"
        assert rank == f"#{1 + (probabilities > probabilities[chosen]).sum()}"
        highest = [i for i in np.argsort(-probabilities, kind="stable") if i != chosen][:4]
        shown = [told_apart(token_label(tokenizer.decode_bytes([i]))) for i in highest]
        assert others[::2] == shown
        assert others[1::2] == [f"{probabilities[i]:.2f}" for i in highest]


def test_show_ends_at_a_stop_string_and_holds_no_half_characters(folder, capsys):
    args = ("--model", folder, "--show", "--temperature", 0, "--stop", "ist")
    status, out, _ = called(capsys, "x漢", *args)
    lines, text = out.split("\n\n")
    assert status == 0 and text.endswith("字 é🙂 \n")
    assert lines.splitlines()[0].startswith("\\xe5 ")
    for line in out.splitlines():
        assert line.isprintable()


def test_show_is_coloured_where_there_is_colour(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for variables, expected in [
        ({"TERM": "xterm"}, True),
        ({"TERM": "dumb"}, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
    ]:
        for name in ("TERM", "NO_COLOR"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert has_colour(Terminal()) is expected
        assert not has_colour(io.StringIO())
    assert coloured("a\nb", 1.0) == "\x1b[38;5;231;48;5;18ma\x1b[0m\n\x1b[38;5;231;48;5;18mb\x1b[0m"
    assert coloured("", 0.5) == ""


def test_no_prompt_begins_a_text(folder, capsys):
    expected = continued(folder, None, 20) + "\n"
    options = ["--model", folder, "--temperature", 0, "--max-new-tokens", 20]
    assert called(capsys, *options) == (0, expected, "")
    assert called(capsys, "", *options) == (0, expected, "")


@pytest.mark.parametrize(
    ("typed", "prompt"), [("é\n", "é"), ("a\n\n", "a\n"), ("a", "a"), ("", "")]
)
def test_a_dash_reads_the_prompt_from_standard_input(folder, capsys, monkeypatch, typed, prompt):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode()), "latin-1"))
    options = ["--model", folder, "--temperature", 0, "--max-new-tokens", 20]
    status, out, err = called(capsys, "-", *options)
    assert (status, out, err) == (0, prompt + continued(folder, prompt, 20) + "\n", "")


@pytest.mark.parametrize("argument", ["漢é", "-"])
def test_utf8_whatever_the_locale(folder, argument):
    options = ["--model", folder, "--temperature", "0", "--max-new-tokens", "50", "--stop", "ö"]
    text = "漢é" + continued(folder, "漢é", 50)
    assert "ö" in text
    status, out, err = run(argument, *options, stdin="漢é", **NO_UTF8)
    assert (status, out, err) == (0, text[: text.index("ö")] + "\n", "")


def test_interactive_continues_line_after_line(folder):
    options = ["--model", folder, "--temperature", "0", "--max-new-tokens", "20"]
    long = "x" * 60
    status, out, err = run("--interactive", *options, stdin=f"é\n{long}\n\nb")
    prompts = ["é", "", "b"]
    assert status == 0
    assert out == "".join(f"{p}{continued(folder, p, 20)}\n" for p in prompts)
    assert err == (
        "gptlite generate: error: the context holds 64 tokens and the prompt has 60: 5 new tokens "
        "fit, not 20 (with overflow slide it goes on, and forgets the older half)\n"
    )


def test_a_line_is_asked_for_on_a_terminal_only(folder, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal("a\n"))
    options = ["--interactive", "--model", folder, "--max-new-tokens", "1", "--seed", "0"]
    assert called(capsys, *options)[::2] == (0, "prompt> prompt> ")
    monkeypatch.setattr(sys, "stdin", io.StringIO("a\n"))
    assert called(capsys, *options)[::2] == (0, "")


# ---- How it ends --------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [[], ["--interactive"]])
def test_a_closed_pipe_ends_it_quietly(folder, option):
    with start(*option, "--model", folder, *ENDLESS) as process:
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert len(process.stdout.read(10)) == 10
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == b""


def test_a_pipe_closed_before_the_first_word_ends_it_quietly(folder):
    with start("a", "--model", folder, "--max-new-tokens", "1") as process:
        process.stdout.close()
        assert process.wait(timeout=30) == 0
        assert process.stderr.read() == b""


def test_ctrl_c_ends_it_with_what_was_printed(folder):
    with start("é", "--model", folder, "--temperature", "0", *ENDLESS) as process:
        out = process.stdout.read(60)
        process.send_signal(signal.SIGINT)
        rest, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == b""
    text = (out + rest).decode()
    assert text.startswith("é" + continued(folder, "é", 50))
    assert text.endswith("\n")


def test_ctrl_c_while_it_waits_for_a_line(folder):
    with start("--interactive", "--model", folder, "--max-new-tokens", "1") as process:
        process.stdin.write(b"a\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"a")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (r"\n", "\n"),
        (r"\t.\r\n", "\t.\r\n"),
        (r"a\\n", "a\\n"),
        (r"\x41\u00e9\U0001f642\"\'", "Aé🙂\"'"),
        (r"\0\a\b\f\v", "\0\a\b\f\v"),
        ("é plain", "é plain"),
    ],
)
def test_a_stop_string_has_c_s_escapes(given, text):
    assert command_line().parse_args(["--stop", given]).stop == [text]


def test_a_stop_string_of_a_line_feed(capsys, tmp_path):
    tokenizer = Tokenizer.train([""], 257)
    model = GPT.init(GPTConfig(n_vocab=257, n_ctx=8, n_embd=8, n_head=1, n_layer=1), seed=0)
    line_feed = model.parameters["wte.weight"][tokenizer.encode("\n")[0]]
    line_feed *= 100
    model.parameters["ln_f.bias"][:] = line_feed
    model.parameters["ln_f.weight"][:] = 0
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    options = ["a", "--model", tmp_path, "--temperature", 0, "--max-new-tokens", 3]
    assert called(capsys, *options)[1] == "a\n\n\n\n"
    assert called(capsys, *options, "--stop", r"\n")[1] == "a\n"


@pytest.mark.parametrize("allowed", ["<|endoftext|>", "all"])
def test_special_tokens_in_the_prompt(folder, capsys, allowed):
    model, tokenizer = gptlite.load(folder)
    prompt = "<|endoftext|>" * 3
    options = ["--model", folder, "--temperature", 0, "--max-new-tokens", 9]
    ids = tokenizer.encode(prompt, "all")
    assert len(ids) == 3
    steps = generate_tokens(model, [ids], Sampler(temperature=0), 9)
    expected = tokenizer.decode([int(step.ids[0]) for step in steps])
    status, out, err = called(capsys, prompt, *options, "--allowed-special", allowed)
    assert (status, err) == (0, "") and out.startswith(prompt)
    assert expected.rstrip("\ufffd").startswith(out[len(prompt) :].rstrip("\n"))
    assert called(capsys, prompt, *options)[1] != out
    text = generate(model, tokenizer, prompt, 9, temperature=0, allowed_special={"<|endoftext|>"})
    assert out == f"{prompt}{text}\n"


def test_a_tokenizer_from_elsewhere(folder, capsys, tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    gptlite.load(folder)[0].save_pretrained(own)
    vocab = gptlite.load(folder)[1].vocab
    Tokenizer({name: 256 - i for name, i in vocab.items()}, []).save_pretrained(other)
    options = ["a", "--temperature", 0, "--max-new-tokens", 5, "--model"]
    assert called(capsys, *options, own)[0] == 2
    assert called(capsys, *options, own, "--tokenizer", folder) == called(capsys, *options, folder)
    out = called(capsys, *options, own, "--tokenizer", other / "vocab.json")[1]
    assert out != called(capsys, *options, folder)[1]


def test_ctrl_c_while_the_model_is_loaded(capsys, monkeypatch):
    def interrupted(name, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(gptlite, "load", interrupted)
    assert called(capsys, "a") == (130, "", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_an_error(folder):
    with (
        Path("/dev/full").open("wb") as full,
        start("a", "--model", folder, stdout=full) as process,
    ):
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert err.decode() == "gptlite generate: error: no space left on device\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--temperature", "-1"], "temperature must be at least 0, not -1.0"),
        (["--temperature", "nan"], "temperature must be finite, not nan"),
        (["--temperature", "x"], "argument --temperature: invalid float value: 'x'"),
        (["--top-k", "-1"], "top_k must be at least 0, not -1"),
        (["--top-k", "1.5"], "argument --top-k: invalid int value: '1.5'"),
        (["--top-p", "0"], "top_p must lie in (0, 1], not 0.0"),
        (["--top-p", "1.1"], "top_p must lie in (0, 1], not 1.1"),
        (["--repetition-penalty", "0"], "repetition_penalty must be above 0, not 0.0"),
        (["--max-new-tokens", "-1"], "max_new_tokens must be at least 0, not -1"),
        (["--seed", "-1"], "seed must be at least 0, not -1"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["--num-samples", "0"], "num_samples must be at least 1, not 0"),
        (["--show", "--num-samples", "2"], "--show follows one sample"),
        (["--stop", ""], "a stop string must not be empty"),
        (["--stop", r"\d"], r"argument --stop: unknown escape \d in \d; a backslash itself is \\"),
        (["--stop", "a\\"], "argument --stop: unknown escape \\ in a\\; a backslash itself is"),
        (["--stop", r"\ud800"], r"argument --stop: unknown escape \ud800"),
        (["--stop", r"\U00110000"], r"argument --stop: unknown escape \U00110000"),
        (["--allowed-special", "<s>"], "no special token '<s>': there are '<|endoftext|>'"),
        (["--tokenizer", "./no/such/file.json"], "./no/such/file.json: no such directory or file"),
        (["--overflow", "wrap"], "argument --overflow: invalid choice: 'wrap'"),
        (["--what"], "unrecognized arguments: --what"),
        (["one", "two"], "unrecognized arguments: two"),
        (["one", "--interactive"], "--interactive reads its prompts from standard input"),
        (["--model", "no-such-model"], "unknown model 'no-such-model'"),
        (["--model", "./no/such/folder"], "./no/such/folder: "),
        (["--max-new-tokens", "65"], "the context holds 64 tokens and the prompt has 1: 64 new"),
        (["x" * 65], "the context holds 64 tokens and the prompt has 65: it does not fit"),
        (["x" * 65, "--num-samples", "2"], "the context holds 64 tokens and the prompt has 65"),
    ],
)
def test_an_error_is_one_line(folder, capsys, args, message):
    status, out, err = called(capsys, "--model", folder, *args)
    assert (status, out) == (2, "")
    assert err.startswith(f"gptlite generate: error: {message}")
    assert err.endswith("\n")
    assert err.count("\n") == 1


def test_an_error_without_words_is_named(capsys, monkeypatch):
    def exhausted(name, **options):
        raise MemoryError

    monkeypatch.setattr(gptlite, "load", exhausted)
    assert called(capsys, "a") == (2, "", "gptlite generate: error: MemoryError\n")


def test_settings_are_checked_before_a_model_is_loaded(capsys):
    status, _, err = called(capsys, "--model", "no-such-model", "--top-p", "7")
    assert (status, err) == (2, "gptlite generate: error: top_p must lie in (0, 1], not 7.0\n")


def test_errors_name_a_broken_model(folder, capsys, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    status, out, err = called(capsys, "--model", tmp_path)
    assert (status, out) == (2, "")
    assert err.startswith("gptlite generate: error: ")
    assert "model.safetensors" in err
    assert err.count("\n") == 1


def test_errors_of_the_locale_and_of_standard_input_are_one_line(folder):
    for args, stdin, message in [
        ([b"\xff\xfe"], b"", "argument PROMPT: not UTF-8 text\n"),
        (["a", "--stop", b"\xff"], b"", "argument --stop: not UTF-8 text\n"),
        (["-"], b"ab\xff", "standard input is not UTF-8 text: "),
    ]:
        status, out, err = run(*args, "--model", folder, stdin=stdin)
        assert (status, out) == (2, "")
        assert err.startswith(f"gptlite generate: error: {message}")
        assert err.count("\n") == 1


def test_no_standard_input_is_an_error(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert called(capsys, "-", "--model", folder) == (
        2,
        "",
        "gptlite generate: error: there is no standard input\n",
    )


# ---- Help ---------------------------------------------------------------------------------------


def test_help_names_every_option(capsys):
    status, out, err = called(capsys, "--help")
    assert (status, err) == (0, "")
    options = (
        "model max-new-tokens temperature top-k top-p repetition-penalty seed num-samples stop"
    )
    for option in ["PROMPT", *f"{options} overflow no-stream interactive".split()]:
        assert option in out


@pytest.mark.parametrize("n", [1, 3])
def test_json(capsys, n):
    options = ["Once", "--max-new-tokens", "5", "--seed", "2", "--num-samples", str(n)]
    status, out, err = called(capsys, *options, "--json")
    assert (status, err) == (0, "")
    texts = generate_samples(*gptlite.load(), "Once", n, max_new_tokens=5, seed=2)
    assert json.loads(out) == {"prompt": "Once", "continuations": texts}
