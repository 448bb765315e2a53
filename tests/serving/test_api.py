"""The application's answers, with real faces and real uploads."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import lance
import numpy as np
import pyarrow as pa
import pytest

from fabnet.faces.picture import picture_size
from fabnet.retrieval.gallery import Gallery
from fabnet.retrieval.search import search
from fabnet.serving.catalogue import Catalogue
from fabnet.serving.guard import is_loopback
from fabnet.serving.site import Site, open_site
from fabnet.video.decode import read_frames

from .asking import Client

pytest.importorskip("fastapi", reason="fastapi is not installed")


@pytest.fixture(scope="module")
def photo(smiling: Path) -> bytes:
    image = next(iter(read_frames(smiling))).image
    return bytes(cv2.imencode(".jpg", image[:, :, ::-1])[1])


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG whose header states a size; it would decode to zeros."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000))), (b"IEND", b"")]
    framed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def test_the_dataset_is_described(client: Client) -> None:
    assert client.json("/healthz") == {"status": "ok", "rows": 80}
    found = client.json("/api/v1/dataset")
    assert (found["faces"], found["identities"], found["model"]) == (80, 7, "small")
    assert (found["photos"], found["compare"]) == ("", "")
    columns = {each["column"]: each for each in found["attributes"]}
    assert {"pose_yaw_deg", "pose_pitch_deg", "mouth_opening", "expression_happiness"} <= set(columns)
    assert columns["expression_happiness"]["classes"] == "expression"
    assert columns["pose_yaw_deg"]["classes"] is None


def test_faces_come_in_pages_and_meet_the_conditions(client: Client) -> None:
    page = client.json("/api/v1/faces", params={"start": 70, "count": 20})
    assert (page["total"], [face["row"] for face in page["faces"]]) == (80, list(range(70, 80)))
    everyone = client.json("/api/v1/faces", params={"count": 100})["faces"]
    yaw = np.array([face["attributes"]["pose_yaw_deg"] for face in everyone])
    middle = float(np.median(yaw))
    some = client.json("/api/v1/faces", params={"count": 100, "where": f"pose_yaw_deg:{middle}:"})
    assert [face["row"] for face in some["faces"]] == np.flatnonzero(yaw >= middle).tolist()
    both = {"count": 100, "where": [f"pose_yaw_deg:{middle}:", "expression:surprise"]}
    rows = [face["row"] for face in client.json("/api/v1/faces", params=both)["faces"]]
    assert rows == [row for row in np.flatnonzero(yaw >= middle).tolist()
                    if everyone[row]["attributes"]["expression"] == "surprise"]  # fmt: skip
    mask = np.frombuffer(client.get("/api/v1/faces/mask", params=both).content, np.uint8)
    assert np.flatnonzero(mask).tolist() == rows


@pytest.mark.parametrize(
    "condition", ["id:1:2", "pose_yaw_deg:a:", "pose_yaw_deg:inf:", "pose_yaw_deg", "expression:1 OR 1=1", "x`:0:1"]
)
def test_a_condition_is_a_column_of_a_probe_and_never_sql(client: Client, condition: str) -> None:
    client.refused("/api/v1/faces", 400, params={"where": condition})


def test_the_nearest_faces_are_those_of_search(client: Client, site: Site) -> None:
    face = client.json("/api/v1/faces/5")
    found = client.json("/api/v1/faces/5/nearest", params={"k": 7})["faces"]
    expected = search(site.catalogue.gallery, face["id"], k=7, other_identities=True).neighbours
    assert [each["id"] for each in found] == [each["id"] for each in expected]
    assert [each["similarity"] for each in found] == pytest.approx([each["similarity"] for each in expected])
    assert face["identity"] not in {each["identity"] for each in found}
    anyone = client.json("/api/v1/faces/5/nearest", params={"k": 40, "other_people": False})["faces"]
    expected = search(site.catalogue.gallery, face["id"], k=40).neighbours
    assert [each["id"] for each in anyone] == [each["id"] for each in expected]
    assert face["identity"] in {each["identity"] for each in anyone}
    assert 5 not in [each["row"] for each in anyone]
    where = {"k": 9, "where": "pose_yaw_deg:50:"}
    assert all(each["attributes"]["pose_yaw_deg"] >= 50
               for each in client.json("/api/v1/faces/5/nearest", params=where)["faces"])  # fmt: skip


def test_pictures_are_the_rows_own(client: Client, site: Site, store: Path) -> None:
    from fabnet.store.track_store import open_store

    thumbnail = client.get("/api/v1/faces/12/thumbnail")
    assert thumbnail.content == site.catalogue.thumbnail(12)
    face = client.json("/api/v1/faces/12")
    columns = ["video", "track", "frame", "image"]
    rows = open_store(store).read_rows(range(60), columns).to_pylist()
    image = next(row["image"] for row in rows if all(row[name] == face[name] for name in columns[:3]))
    assert client.get("/api/v1/faces/12/crop").content == image
    of_video = client.get("/api/v1/faces/70/crop").content  # this face is not in the store
    assert of_video == site.catalogue.thumbnail(70)


def test_browsers_keep_nothing_but_the_pages_own_files(client: Client, photo: bytes) -> None:
    shown = ["/api/v1/dataset", "/api/v1/faces", "/api/v1/faces/1", "/api/v1/faces/1/nearest", "/api/v1/map/pca",
             "/api/v1/videos", "/api/v1/timeline?video=person0/0", "/api/v1/faces/999/crop", "/api/v1/openapi.json",
             "/api/v1/faces/mask"]  # fmt: skip
    for path in (
        *shown,
        *(f"/api/v1/faces/1/{name}{query}" for name in ("thumbnail", "crop") for query in ("", "?v=1")),
    ):
        assert client.get(path).headers["cache-control"] == "no-store", path
    assert client.ask("POST", "/api/v1/nearest", content=photo).headers["cache-control"] == "no-store"
    assert client.get("/", headers={"host": "evil.example"}).headers["cache-control"] == "no-store"
    for path in ("/", "/main.js", "/page.css"):
        assert client.get(path).headers["cache-control"] == "no-cache"


def test_rows_and_columns_beyond_the_dataset_are_not_found(client: Client) -> None:
    for path in (
        "/api/v1/faces/80",
        "/api/v1/faces/-1",
        "/api/v1/faces/80/crop",
        "/api/v1/timeline?video=../../etc/passwd",
    ):
        client.refused(path, 404)
    client.refused("/api/v1/faces/..%2f..%2fetc%2fpasswd/crop", 404)
    client.refused("/../pyproject.toml", 404)
    client.refused("/api/v1/faces/x", 422)
    client.refused("/docs", 404)


def test_a_photo_finds_faces(client: Client, photo: bytes) -> None:
    found = client.ask("POST", "/api/v1/nearest", params={"k": 5}, content=photo)
    assert found.status_code == 200, found.text
    faces = found.json()["faces"]
    assert faces[0]["video"] == "smiling.mp4"
    assert faces[0]["similarity"] > 0.95
    assert found.json()["crop"].startswith("data:image/jpeg;base64,")


def test_bad_uploads_are_refused_in_one_line(client: Client, photo: bytes) -> None:
    def refused(status: int, content: Any) -> str:
        return client.refused("/api/v1/nearest", status, "POST", content=content)

    assert refused(400, b"") == "the file is empty; expected a JPEG, PNG, WebP, BMP, TIFF, HEIC, AVIF, PPM or PGM"
    assert "not a picture" in refused(400, b"#!/bin/sh\necho no picture\n" * 99)
    assert "not a picture" in refused(400, b"GIF89a" + bytes(99))
    assert "corrupt" in refused(400, photo[:700])
    assert "30,000 x 30,000" in refused(400, png_header(30_000, 30_000))
    assert "no face" in refused(422, cv2.imencode(".png", np.full((300, 300, 3), 99, np.uint8))[1].tobytes())
    assert "no face" in refused(422, cv2.imencode(".jpg", np.full((4, 65_000, 3), 99, np.uint8))[1].tobytes())
    assert "10 MiB" in refused(413, bytes(11 * 2**20))

    async def unannounced() -> Any:
        for _ in range(11):
            yield bytes(2**20)

    assert "10 MiB" in refused(413, unannounced())


def test_a_browser_that_disconnects_during_an_upload_is_not_an_error(site: Site) -> None:
    from fabnet.serving.app import build_app

    scope = {"type": "http", "method": "POST", "path": "/api/v1/nearest", "query_string": b"",
             "headers": [(b"host", b"localhost")]}  # fmt: skip
    coming: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b"a part", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(coming)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(build_app(site)(scope, receive, send))
    assert sent[0]["status"] == 400


def test_the_size_of_a_picture_is_read_from_its_header() -> None:
    image = np.zeros((50, 70, 3), np.uint8)
    for ending in (".png", ".jpg", ".webp"):
        data = cv2.imencode(ending, image)[1].tobytes()
        assert picture_size(data[:1000]) == (70, 50), ending
    progressive = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert picture_size(progressive) == (70, 50)
    lossless = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    assert picture_size(lossless) == (70, 50)
    assert picture_size(png_header(30_000, 30_000)) == (30_000, 30_000)


def test_only_requests_to_this_machines_own_name_are_answered(client: Client, site: Site) -> None:
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""):
        assert "localhost" in client.refused("/healthz", 421, headers={"host": host})
    for host in ("localhost:1", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200
    client.refused("/api/v1/dataset", 403, headers={"sec-fetch-site": "cross-site"})
    local = ("127.0.0.1", "::1", "LOCALHOST", "localhost.", "0.0.0.0", "192.168.0.3")
    assert [is_loopback(name) for name in local] == [True, True, True, True, False, False]


@pytest.mark.parametrize(
    ("started_for", "answered", "refused"),
    [
        (("Faces.lan", "192.168.0.3"), ("faces.lan:8000", "192.168.0.3", "localhost"), ("192.168.0.4", "evil.example")),
        (("0.0.0.0",), ("192.168.0.4:8000", "[fe80::1]:8000", socket.gethostname(), "localhost"), ("evil.example", "")),
        (("::",), ("192.168.0.4", "[::1]"), ("evil.example:8000", "0.0.0.0.evil.example")),
    ],
)
def test_on_other_addresses_only_the_given_names_are_answered(
    site: Site, started_for: tuple[str, ...], answered: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    client = Client(site, hosts=started_for)
    for host in answered:
        assert client.get("/healthz", headers={"host": host}).status_code == 200, host
    for host in refused:
        assert "started for" in client.refused("/healthz", 421, headers={"host": host})


def test_the_security_policy_allows_only_the_page_itself(client: Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "unsafe" not in policy
    for name in ("/", "/page.css", "/main.js", "/map.js"):
        assert "//cdn" not in client.get(name).text
    assert "style=" not in page.text
    described = client.json("/api/v1/openapi.json")["paths"]
    assert {"/healthz", "/api/v1/faces", "/api/v1/nearest", "/api/v1/compare", "/api/v1/map/{method}"} <= set(described)


def test_the_map_is_computed_once_and_kept_beside(client: Client, site: Site, faces_data: Path) -> None:
    places = np.frombuffer(client.get("/api/v1/map/pca").content, "<f4").reshape(-1, 2)
    embeddings = np.array([site.catalogue.embedding(row) for row in range(80)], dtype=np.float64)
    directions = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    centred = directions - directions.mean(axis=0)
    expected = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    for axis in range(2):
        assert abs(np.corrcoef(places[:, axis], expected[:, axis])[0, 1]) == pytest.approx(1, abs=1e-5)
    kept = list(faces_data.parent.glob("faces.lance.pca-*.npy"))
    assert len(kept) == 1
    marked = np.full((80, 2), 0.25, np.float32)
    np.save(kept[0], marked)
    again = Client(open_site(faces_data))
    assert np.frombuffer(again.get("/api/v1/map/pca").content, "<f4").tolist() == [0.25] * 160
    kept[0].write_bytes(b"damaged")
    anew = np.frombuffer(Client(open_site(faces_data)).get("/api/v1/map/pca").content, "<f4").reshape(-1, 2)
    assert np.allclose(anew, places)
    client.refused("/api/v1/map/nothing", 400)


def test_a_map_of_one_number_per_face_is_a_line(store: Path, tmp_path: Path) -> None:
    from fabnet.reading.embed import embed

    embed([store], tmp_path / "faces.lance", model="mean")
    answer = Client(open_site(tmp_path / "faces.lance")).get("/api/v1/map/pca")
    places = np.frombuffer(answer.content, "<f4").reshape(60, 2)
    assert np.isfinite(places).all()
    assert not places[:, 1].any()


def test_served_from_within_a_dataset_has_its_name_and_map(faces_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(faces_data)
    client = Client(open_site("."))
    assert client.json("/api/v1/dataset")["name"] == "faces.lance"
    assert client.get("/api/v1/map/pca").status_code == 200
    assert len(list(faces_data.parent.glob("faces.lance.pca-*.npy"))) == 1
    assert not list(faces_data.glob("*.npy"))


def test_a_video_over_time(client: Client) -> None:
    names = [each["name"] for each in client.json("/api/v1/videos", params={"contains": "SMILING"})]
    assert names == ["smiling.mp4"]
    found = client.json("/api/v1/timeline", params={"video": names[0]})
    assert found["rows"] == list(range(60, 80))
    assert not found["is_frames"]
    assert found["times"] == sorted(found["times"])
    values = np.frombuffer(client.get("/api/v1/columns/pose_yaw_deg").content, "<f4")
    assert found["attributes"]["pose_yaw_deg"] == pytest.approx(values[60:].tolist())
    assert client.json("/api/v1/timeline", params={"video": "person0/0"})["is_frames"]
    client.refused("/api/v1/columns/embedding", 400)


def test_a_column_with_a_slash_in_its_name_is_found(faces_data: Path, tmp_path: Path) -> None:
    import lance

    table = lance.dataset(str(faces_data)).to_table()
    names = ["mouth/opening" if name == "mouth_opening" else name for name in table.column_names]
    lance.write_dataset(table.rename_columns(names), str(tmp_path / "faces.lance"))
    client = Client(open_site(tmp_path / "faces.lance"))
    values = np.frombuffer(client.get("/api/v1/columns/mouth%2Fopening").content, "<f4")
    assert values.tolist() == table["mouth_opening"].to_pylist()


def test_comparing_shows_what_the_network_reconstructs(client: Client) -> None:
    pytest.importorskip("torch")
    made = client.json("/api/v1/compare", params={"target": 0, "source": [0]})
    assert made["sources"][0]["loss_unwarped"] == 0
    assert made["sources"][0]["loss"] < 0.03
    assert "no confidences" in made["note"]
    apart = client.json("/api/v1/compare", params={"target": 60, "source": [65, 70]})
    assert len(apart["sources"]) == 2
    assert apart["reconstruction"] is None
    client.refused("/api/v1/compare?target=0&source=999", 404)
    client.refused("/api/v1/compare?target=0", 422)


def test_the_confidences_of_a_pixel_add_up_to_one(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from fabnet.reading.embed import embed
    from fabnet.training.train import train

    train(store, tmp_path / "run", size=32, width=4, embedding_dim=16, batch_size=4, max_steps=2, num_val_pairs=4,
          num_workers=0, sources=2)  # fmt: skip
    embed([store], tmp_path / "faces.lance", model=tmp_path / "run")
    made = Client(open_site(tmp_path / "faces.lance")).json("/api/v1/compare", params={"target": 0, "source": [3, 6]})
    assert sum(each["share"] for each in made["sources"]) == pytest.approx(1, abs=1e-5)
    assert made["note"] is None
    assert made["reconstruction"].startswith("data:image/jpeg")


def test_a_thinned_timeline_keeps_both_of_two_people_in_a_frame(faces_data: Path, tmp_path: Path) -> None:
    table = lance.dataset(str(faces_data)).to_table(limit=1)
    (row,) = table.to_pylist()
    rows = [
        row | {"video": "two.mp4", "track": str(number % 2), "frame": number // 2, "time_s": number // 2 / 25}
        for number in range(4000)
    ]
    lance.write_dataset(pa.Table.from_pylist(rows, schema=table.schema), str(tmp_path / "two.lance"))
    found = Catalogue(Gallery(tmp_path / "two.lance")).timeline("two.mp4")
    assert found is not None
    assert len(found.rows) == 2000
    assert found.times == sorted(found.times)
    assert [found.tracks.count(track) for track in ("0", "1")] == [1000, 1000]


def test_without_its_model_the_page_offers_no_photos(store: Path, tmp_path: Path, photo: bytes) -> None:
    from fabnet.encoders.load_encoder import load
    from fabnet.reading.embed import embed

    embed([store], tmp_path / "faces.lance", model=load("small"))
    client = Client(open_site(tmp_path / "faces.lance"))
    assert "--model" in client.json("/api/v1/dataset")["photos"]
    assert "--model" in client.refused("/api/v1/nearest", 409, "POST", content=photo)
    assert "--model" in client.refused("/api/v1/compare?target=0&source=1", 409)
    assert len(client.json("/api/v1/faces/0/nearest", params={"k": 3})["faces"]) == 3
    named = Client(open_site(tmp_path / "faces.lance", model="small"))
    assert named.ask("POST", "/api/v1/nearest", content=photo).status_code == 200


def test_without_torch_all_but_comparing_works(faces_data: Path, monkeypatch: pytest.MonkeyPatch, photo: bytes) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    client = Client(open_site(faces_data))
    assert client.ask("POST", "/api/v1/nearest", content=photo).status_code == 200
    assert "pip install 'fabnet[train]'" in client.json("/api/v1/dataset")["compare"]
    assert "torch" in client.refused("/api/v1/compare?target=0&source=1", 409)


def test_no_telemetry_is_exported_whatever_the_environment_says(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from fabnet.serving.app import build_app

    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    made = build_app(site)
    if not hasattr(made, "_telemetry"):
        pytest.skip("this FastAPI exports nothing by itself")
    said = made._telemetry
    assert [key for key in ("auto_configure", "tracing", "metrics", "logs") if said[key]] == []
