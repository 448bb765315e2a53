"""The page of a run."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabnet.encoders.digest import model_digest
from fabnet.encoders.saved_probe import SavedProbe, save_probes
from fabnet.errors import InputError, ModelError
from fabnet.ingest.import_folder import import_folder
from fabnet.models.find_model import best_checkpoint
from fabnet.models.model_folder import read_card
from fabnet.reporting.reconstructions import reconstructions
from fabnet.reporting.report import report
from fabnet.reporting.timeline import video_timeline
from fabnet.store.track_store import open_store
from fabnet.training.run_log import read_metrics
from fabnet.training.train import train


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += f" {data} "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tiny_run: Path) -> Page:
    result = report(tiny_run)
    assert result.page == tiny_run / "report" / "index.html"
    assert result.to_json()["page"] == str(result.page)
    return Page(result.page.read_text())


def test_a_page_contains_no_address(tiny_run: Path, page: Page) -> None:
    text = (tiny_run / "report" / "index.html").read_text()
    text = re.sub(r"xmlns(:\w+)?=\"[^\"]*\"|<rdf:RDF.*?</rdf:RDF>", "", text, flags=re.DOTALL)
    assert "http" not in text
    assert all(place.startswith("#") for place in re.findall(r"url\(([^)]*)\)", text))
    assert page.all("figure")


def test_a_page_is_self_contained(page: Page) -> None:
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "image"} == set()
    assert all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in page.all("img"))
    for _, attributes in page.tags:
        links = [value for name, value in attributes.items() if name in ("href", "src", "xlink:href") and value]
        assert all(value.startswith(("data:", "#")) for value in links)


def test_a_page_states_the_facts_of_the_run(page: Page, tiny_run: Path) -> None:
    training = read_card(best_checkpoint(tiny_run)).training
    words = " ".join(page.words.split())
    assert f"{training['pairs_seen']} pairs of frames seen" in words
    assert "60 faces in 6 tracks of 6 videos" in words
    assert "6 people" in words
    assert f"{training['val_loss']:.4f} validation L1" in words
    assert "unseen people" in words
    assert "other moments" not in words
    assert "person0" in words


def test_a_run_may_share_its_name_with_a_shipped_model(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_run, tmp_path / "small")
    monkeypatch.chdir(tmp_path)
    words = " ".join(Page(report("small").page.read_text()).words.split())
    assert f"{read_card(best_checkpoint(tiny_run)).training['pairs_seen']} pairs of frames seen" in words


def test_the_strips_agree_with_the_validation(tiny_run: Path, store: Path) -> None:
    """The page's mean over the pairs equals the run's validation loss if both draw the same pairs."""
    model = best_checkpoint(tiny_run)
    made = reconstructions(model, open_store(store), num_pairs=8, num_each=2)
    assert made is not None
    training = read_card(model).training
    assert made.loss == pytest.approx(training["val_loss"], rel=0.02)
    assert made.loss_unwarped == pytest.approx(training["val_loss_unwarped"], rel=0.02)
    assert [strip.label for strip in made.strips] == ["best", "best", "middle", "middle", "worst", "worst"]
    shares = [strip.loss / strip.loss_unwarped for strip in made.strips]
    assert shares == sorted(shares)
    assert 0 <= made.num_better <= 8
    assert all(len(strip.pictures) == 5 for strip in made.strips)
    assert {strip.name.split("/")[0] for strip in made.strips} <= {"person4", "person5"}


def test_a_still_has_an_unwarped_loss_of_zero(frames_folder: Path, tmp_path: Path) -> None:
    for folder in frames_folder.glob("person*/0"):
        still = tmp_path / "still" / folder.relative_to(frames_folder)
        still.mkdir(parents=True)
        for number in range(3):
            shutil.copy(folder / "0.jpg", still / f"{number}.jpg")
    splits = tmp_path / "splits.csv"
    splits.write_text("identity,split\n" + "".join(f"person{i},{'train' if i < 4 else 'val'}\n" for i in range(6)))
    import_folder(tmp_path / "still", tmp_path / "store", layout="identity/video", splits=splits)
    train(tmp_path / "store", tmp_path / "run", size=32, width=4, batch_size=4, max_steps=1, num_workers=0)
    text = report(tmp_path / "run").page.read_text()
    assert "more than unwarped (0.0000)" in text


@pytest.fixture(scope="module")
def run_of_three(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three sources whose curriculum moved four times."""
    run = tmp_path_factory.mktemp("three") / "run"
    train(
        store, run, size=32, width=4, embedding_dim=16, batch_size=8, max_steps=16, num_val_pairs=8, num_workers=0,
        sources=3, curriculum=True, curriculum_patience=0, validate_every=1,
    )  # fmt: skip
    return run


def test_several_sources_are_shown_with_their_shares(run_of_three: Path) -> None:
    result = report(run_of_three)
    page = Page(result.page.read_text())
    captions = [image["alt"] or "" for image in page.all("img")]
    assert captions.count("reconstruction") == captions.count("source 3") == 12
    shares = [int(caption.split()[-1].rstrip("%")) for caption in captions if caption.startswith("its share")]
    assert len(shares) == 3 * 12
    for place in range(0, len(shares), 3):
        assert abs(sum(shares[place : place + 3]) - 100) <= 2
    assert "colour wheel of the flow" not in captions
    assert len(result.pictures) == 12
    pictures = [np.asarray(cv2.imread(str(picture))) for picture in result.pictures]
    assert {picture.shape for picture in pictures} == {(144, 8 * 144 + 7 * 4, 3)}
    shown = pictures[0][:, 3 * 148 : 3 * 148 + 144]  # the first source's share: grey
    assert np.ptp(shown, axis=2).max() == 0


def test_the_curriculum_is_in_metrics_and_chart(run_of_three: Path) -> None:
    windows = [(row["curriculum_from"], row["curriculum_to"]) for row in read_metrics(run_of_three)]
    assert windows == sorted(windows)
    assert windows[0] == (0.0, 0.5)
    chart = (run_of_three / "report" / "index.html").read_text()
    for low, high in set(windows[1:]) - {windows[0]}:
        assert f">{low:.0%} to {high:.0%}</text>" in chart


def test_names_are_escaped_and_out_is_used(tiny_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "<b>run & co"
    shutil.copytree(tiny_run, run)
    text = report(run, out=tmp_path / "page").page.read_text()
    assert "<h1>fabnet: &lt;b&gt;run &amp; co</h1>" in text
    assert not (run / "report" / "<b>").exists()
    assert (tmp_path / "page" / "index.html").is_file()


def test_only_reconstructions_are_replaced(tiny_run: Path, tmp_path: Path) -> None:
    pictures = report(tiny_run, out=tmp_path).pictures
    (tmp_path / "reconstructions" / "99-worst.png").write_bytes(b"of an earlier report")
    (tmp_path / "reconstructions" / ".DS_Store").write_bytes(b"of a file manager")
    assert report(tiny_run, out=tmp_path).pictures == pictures
    assert sorted((tmp_path / "reconstructions").iterdir()) == sorted(pictures)
    (tmp_path / "reconstructions" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files \(notes.txt \.\.\.\)"):
        report(tiny_run, out=tmp_path)
    assert (tmp_path / "reconstructions" / "notes.txt").read_text() == "mine"


def test_a_video_is_followed_over_time(tiny_run: Path, smiling: Path, tmp_path: Path) -> None:
    text = report(tiny_run, out=tmp_path, video=smiling).page.read_text()
    page = Page(text)
    words = " ".join(page.words.split())
    assert "smiling.mp4 over time (" not in words
    assert "smiling.mp4 over time" in words
    assert re.search(r"track 0: \d+ faces, 0\.0 to 3\.\d s", words)
    times = [image["alt"] for image in page.all("img") if (image["alt"] or "").startswith("face at")]
    assert len(times) == 10
    assert times == sorted(times, key=lambda alt: float((alt or "").split()[2]))


def test_a_page_reports_the_corrupt_part_of_a_video(tiny_run: Path, smiling: Path, tmp_path: Path) -> None:
    whole = smiling.read_bytes()
    middle = len(whole) // 2
    (tmp_path / "hole.mp4").write_bytes(whole[:middle] + bytes(20_000) + whole[middle + 20_000 :])
    text = report(tiny_run, out=tmp_path / "out", video=tmp_path / "hole.mp4").page.read_text()
    words = " ".join(Page(text).words.split())
    assert re.search(r" hole\.mp4 is corrupt \(.*\): \d+ frames could be decoded.*: the rest is not", words)
    assert "track 0: " in words
    assert str(tmp_path) not in text


def test_a_folder_that_is_not_a_run_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a run"):
        report(tmp_path)


def test_predictions_of_probes_on_a_video_are_drawn_over_time(tiny_run: Path, smiling: Path, tmp_path: Path) -> None:
    def probe(task: str, kind: str, columns: tuple[str, ...]) -> SavedProbe:
        coef = np.random.default_rng(len(columns)).normal(size=(16, len(columns)))
        ones, zeros = np.ones(len(columns)), np.zeros(len(columns))
        return SavedProbe(task, kind, columns, ones, zeros, coef, zeros, model_digest(tiny_run), "nothing")

    probes = [
        probe("pose", "angles", ("roll", "pitch", "yaw")),
        probe("mouth", "values", ("opening",)),
        probe("expression", "classes", ("neutral", "happy")),
        probe("units", "units", ("AU1", "AU2", "AU4", "AU12")),
    ]
    save_probes(probes, tmp_path / "mine.safetensors")
    timeline = video_timeline(smiling, tiny_run, fps=3, probes=[tmp_path / "mine.safetensors"])
    assert timeline.tracks[0].attributes is not None
    drawn = timeline.tracks[0].attributes.wide
    for words in ("pose, degrees", "yaw", "mouth, opening", "expression, probabilities", "happy"):
        assert f">your probe: {words}</text>" in drawn or f">{words}</text>" in drawn
    for words in ("pose, degrees", "smile, probability", "your probe: mouth, opening"):  # attributes need no probe
        assert f">{words}</text>" in drawn
    assert "AU12" not in drawn  # more units than are drawn
