"""Models on the hub, downloaded by the real client from a real local server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fabnet
from fabnet.encoders.digest import model_digest
from fabnet.encoders.export import export
from fabnet.errors import ModelError
from fabnet.models.hub import download, is_hub_name
from fabnet.weights import shipped_models

from .hub_server import serving

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ASK = """
import json, sys
import numpy as np
import fabnet
from fabnet.encoders.digest import model_digest
from fabnet.errors import FabnetError
from fabnet.models.hub import download

answers = []
for name in sys.argv[1:]:
    try:
        encoder = fabnet.load(name)
        faces = [np.full((80, 80, 3), value, np.uint8) for value in (40, 200)]
        said = {"embeddings": encoder.embed(faces).tolist(), "digest": model_digest(name),
                "backend": encoder.backend, "reader": encoder.reader is not None, "path": fabnet.info(name)["path"],
                "is_asked_once": not name.startswith("hf:") or download(name) is download(name)}
    except FabnetError as error:
        said = {"error": str(error), "exit_code": error.exit_code}
    answers.append(said)
print(json.dumps(answers))
"""


def ask(url: str, home: Path, *names: str, **env: str) -> list[dict[str, Any]]:
    """What another process gets for each name: huggingface_hub reads the hub's URL at import."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        env=os.environ | {"HF_ENDPOINT": url, "HF_HOME": str(home), "NO_PROXY": "127.0.0.1"} | env,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shipped model with an extra pickle, a model of another kind, and a repository without a model."""
    folder = tmp_path_factory.mktemp("hub")
    shutil.copytree(shipped_models()["small"], folder / "someone" / "faces")
    (folder / "someone" / "faces" / "README.md").write_text("# faces\n")
    (folder / "someone" / "faces" / "optimizer.pt").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    for name, file, text in (("words", "config.json", '{"model_type": "bert"}'), ("nothing", "README.md", "# none")):
        (folder / "someone" / name).mkdir()
        (folder / "someone" / name / file).write_text(text)
    (folder / "someone" / "words" / "model.safetensors").write_bytes(bytes(100))
    return folder


def test_a_model_is_downloaded_once_and_then_works_offline(repositories: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with serving(repositories) as hub:
        commit = hub.commit_of("someone/faces")
        names = ("hf:someone/faces", "hf:someone/faces@v1", f"hf:someone/faces@{commit}", "small")
        fetched, tagged, pinned, shipped = ask(hub.url, tmp_path, *names)
        wanted = {"README.md", "config.json", "encoder-int8.onnx", "encoder.onnx", "model.safetensors"}
        wanted.add("reader.safetensors")
        assert sorted(hub.served) == sorted(f"someone/faces/{name}" for name in wanted)
    assert Path(fetched["path"]).name == commit
    assert fetched == tagged == pinned
    assert fetched["backend"] == "onnx"
    assert fetched["embeddings"] == shipped["embeddings"]
    assert fetched["digest"] == shipped["digest"]
    assert fetched["reader"]
    assert shipped["reader"]
    assert fetched["is_asked_once"]  # within a process
    # The server is down, or is not asked at all.
    assert ask(hub.url, tmp_path, names[0]) == [fetched]
    assert ask(hub.url, tmp_path, names[0], HF_HUB_OFFLINE="1") == [fetched]


PLAIN = """
import json, sys
import numpy as np, onnxruntime
from huggingface_hub import ModelCard, hf_hub_download

name = sys.argv[1].removeprefix("hf:")
session = onnxruntime.InferenceSession(hf_hub_download(name, "encoder.onnx"))
size = session.get_inputs()[0].shape[2]
images = np.full((1, 3, size, size), 40 / 255, np.float32)
card = ModelCard.load(hf_hub_download(name, "README.md"))
print(json.dumps({"embeddings": session.run(None, {"images": images})[0].tolist(), "card": card.data.to_dict()}))
"""


def cached(model: Path, home: Path, name: str) -> dict[str, str]:
    """Lay a folder out as the hub's client does after a download; the environment in which it is found."""
    cache = home / "hub" / f"models--{name.replace('/', '--')}"
    shutil.copytree(model, cache / "snapshots" / COMMIT)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    return os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}


def said_by(script: str, env: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run([sys.executable, "-c", script, *arguments], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_an_exported_folder_is_a_repository(tiny_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    export(tiny_run, tmp_path / "faces")
    env = cached(tmp_path / "faces", tmp_path / "home", "someone/faces")
    loaded, direct = said_by(ASK, env, "hf:someone/faces", str(tmp_path / "faces"))
    plain = said_by(PLAIN, env, "hf:someone/faces")
    assert loaded["backend"] == "onnx"
    assert loaded["digest"] == direct["digest"] == model_digest(tiny_run)
    assert loaded["embeddings"] == direct["embeddings"]
    assert np.allclose(plain["embeddings"][0], loaded["embeddings"][0], atol=1e-4)
    assert plain["card"]["library_name"] == "fabnet"
    assert plain["card"]["license"] == "unknown"


@pytest.mark.slow
def test_an_exported_reader_reads_from_the_hubs_cache(smiling: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    export("base", tmp_path / "faces")
    env = cached(tmp_path / "faces", tmp_path / "home", "someone/faces")
    read = "import json, sys, fabnet; print(json.dumps(fabnet.read(sys.argv[1], model=sys.argv[2], fps=2).to_pylist()))"
    rows = said_by(read, env, str(smiling), "hf:someone/faces")
    assert rows == fabnet.read(smiling, fps=2).to_pylist()
    plain = said_by(PLAIN, env, "hf:someone/faces")
    assert (plain["card"]["license"], plain["card"]["license_link"]) == ("other", "NOTICE.md")


def test_a_missing_model_gives_one_line(repositories: Path, tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    with serving(repositories) as hub:
        names = ("hf:someone/else", "hf:someone/faces@v9", "hf:someone/words", "hf:someone/nothing")
        answers = ask(hub.url, tmp_path, *names)
        assert "someone/words/model.safetensors" not in hub.served
    assert {answer["exit_code"] for answer in answers} == {ModelError.exit_code}
    expected = (
        "the hub has no model someone/else",
        "someone/faces has no revision 'v9'",
        "hf:someone/words holds no model",
        "hf:someone/nothing holds no model",
    )
    for answer, beginning in zip(answers, expected, strict=True):
        assert answer["error"].startswith(beginning)
    unreachable = ask(hub.url, tmp_path, "hf:someone/faces")[0]["error"]
    assert "is not in the hub's cache, and the hub cannot be reached" in unreachable


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from fabnet.cli import main

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["info", "hf:someone/not-asked-before"]) == 9
    message = "fabnet info: hf:someone/not-asked-before needs huggingface_hub: pip install 'fabnet[hub]'\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("name", ["hf:", "hf:faces", "hf:a/b/c", "hf:a/b@", "hf:../b/../c", "hf:a/b c"])
def test_an_invalid_name_is_reported(name: str) -> None:
    assert is_hub_name(name)
    with pytest.raises(ModelError, match="expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION"):
        download(name)
