"""The interface for programs: its description, its answers, its limits, its token, and the examples of its page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import fabnet
from fabnet.errors import InputError
from fabnet.serving.site import Site
from fabnet.video.decode import read_frames

from .asking import Client
from .conftest import serving

pytest.importorskip("fastapi", reason="fastapi is not installed")

PAGE = Path(__file__).parents[2] / "docs" / "rest.md"


@pytest.fixture(scope="module")
def photo(smiling: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = next(iter(read_frames(smiling))).image
    file = tmp_path_factory.mktemp("photo") / "photo.jpg"
    cv2.imwrite(str(file), image[:, :, ::-1])
    return file


def check(value: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any], place: str = "answer") -> None:
    """Check a value against a JSON schema, as far as this description uses the language; unknown words are refused."""
    known = {"$ref", "anyOf", "type", "properties", "required", "items", "prefixItems", "minItems", "maxItems", "title",
             "additionalProperties", "description", "default"}  # fmt: skip
    assert set(schema) <= known, f"{place}: {set(schema) - known}"
    if "$ref" in schema:
        check(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, place)
        return
    if "anyOf" in schema:
        faults = []
        for each in schema["anyOf"]:
            try:
                check(value, each, schemas, place)
                return
            except AssertionError as error:
                faults.append(str(error))
        raise AssertionError("; ".join(faults))
    kinds: dict[str, Any] = {"string": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None),
                             "array": list, "object": dict}  # fmt: skip
    assert isinstance(value, kinds[schema["type"]]), f"{place} is {value!r:.60}; expected {schema['type']}"
    assert schema["type"] == "boolean" or not isinstance(value, bool), place
    if schema["type"] == "object":
        fields = schema.get("properties", {})
        assert set(schema.get("required", ())) <= set(value), place
        more = schema.get("additionalProperties")
        for name, each in value.items():
            assert name in fields or more, f"{place} has {name}, which is not described"
            check(each, fields.get(name, more), schemas, f"{place}.{name}")
    if schema["type"] == "array":
        first = schema.get("prefixItems", [])
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 10**9), place
        for number, each in enumerate(value):
            check(each, first[number] if number < len(first) else schema["items"], schemas, f"{place}[{number}]")


REQUESTS = [
    ("get", "/healthz", "/healthz"), ("get", "/api/v1", "/api/v1"), ("get", "/api/v1/dataset", "/api/v1/dataset"),
    ("get", "/api/v1/faces", "/api/v1/faces?count=3"), ("get", "/api/v1/faces", "/api/v1/faces?count=3&by_track=true"),
    ("get", "/api/v1/faces/{row}", "/api/v1/faces/2"),
    ("get", "/api/v1/faces/{row}/nearest", "/api/v1/faces/2/nearest?k=3"),
    ("post", "/api/v1/read", "/api/v1/read"), ("post", "/api/v1/embed", "/api/v1/embed"),
    ("post", "/api/v1/nearest", "/api/v1/nearest?k=2"), ("get", "/api/v1/videos", "/api/v1/videos"),
    ("get", "/api/v1/timeline", "/api/v1/timeline?video=smiling.mp4"),
    ("get", "/api/v1/compare", "/api/v1/compare?target=1&source=2"),
    ("get", "/api/v1/map/{method}/progress", "/api/v1/map/pca/progress"),
]  # fmt: skip
BYTES = {"/api/v1/faces/mask", "/api/v1/faces/{row}/thumbnail", "/api/v1/faces/{row}/crop",
         "/api/v1/columns/{column}", "/api/v1/map/{method}"}  # fmt: skip


def test_the_description_is_true_of_each_answer(client: Client, photo: Path) -> None:
    found = client.json("/api/v1/openapi.json")
    schemas = found["components"]["schemas"]
    for method, path, asked in REQUESTS:
        given = {"content": photo.read_bytes()} if method == "post" else {}
        answer = client.ask(method.upper(), asked, **given)
        assert answer.status_code == 200, (asked, answer.text)
        described = found["paths"][path][method]["responses"]
        check(answer.json(), described["200"]["content"]["application/json"]["schema"], schemas, asked)
    assert {path for _, path, _ in REQUESTS} | BYTES == set(found["paths"])
    for path in BYTES:
        named = path.format(row=2, column="pose_yaw_deg", method="pca")
        kind = client.get(named).headers["content-type"]
        assert kind in found["paths"][path]["get"]["responses"]["200"]["content"]


def test_each_field_and_address_is_explained(client: Client) -> None:
    found = client.json("/api/v1/openapi.json")
    assert (found["info"]["title"], found["info"]["version"]) == ("fabnet", "v1")
    for name, schema in found["components"]["schemas"].items():
        assert schema["description"], name
        for field, each in schema["properties"].items():
            assert each.get("description") or "$ref" in each, f"{name}.{field}"
    for path, methods in found["paths"].items():
        for method, about in methods.items():
            assert about["description"], path
            assert {"4XX", "5XX"} <= set(about["responses"]), (path, method)
            assert "422" not in about["responses"]  # FastAPI's own, which is not what is answered


def test_errors_are_as_described(client: Client, photo: Path) -> None:
    found = client.json("/api/v1/openapi.json")
    schema = found["paths"]["/api/v1/read"]["post"]["responses"]["4XX"]["content"]["application/json"]["schema"]
    refusals = [
        ("GET", "/api/v1/nothing", b"", 404), ("GET", "/api/v1/read", b"", 405), ("POST", "/api/v1/read", b"", 400),
        ("POST", "/api/v1/read", b"no photo", 400), ("POST", "/api/v1/embed", bytes(11 * 2**20), 413),
        ("GET", "/api/v1/faces?count=many", b"", 422), ("GET", "/api/v1/faces/9999", b"", 404),
        ("GET", "/api/v1/faces?v=another", b"", 410), ("POST", "/api/v1/nearest?face=7", photo.read_bytes(), 400),
    ]  # fmt: skip
    for method, path, content, status in refusals:
        answer = client.ask(method, path, content=content)
        assert answer.status_code == status, (path, answer.text)
        check(answer.json(), schema, found["components"]["schemas"])
        assert len(answer.json()["detail"].split()) > 4
    grey = bytes(cv2.imencode(".png", np.full((200, 200, 3), 99, np.uint8))[1])
    assert "no face" in client.refused("/api/v1/read", 422, method="POST", content=grey)


def test_a_photo_is_read_as_read_does(client: Client, photo: Path) -> None:
    found = client.ask("POST", "/api/v1/read", content=photo.read_bytes()).json()
    row: dict[str, Any] = fabnet.read(photo).to_pylist()[0]
    assert (found["width_px"], found["height_px"], found["model"]) == (192, 192, "base")
    (face,) = found["faces"]
    for name, number in face["numbers"].items():
        assert number["value"] == pytest.approx(row[name], abs=1e-3), name
        assert number["half_width"] == pytest.approx(row[f"{name}_pm"], abs=1e-3), name
        assert number["unit"] == ("degree" if name.endswith("_deg") else "face height")
    for name, number in face["probabilities"].items():
        assert number["value"] == pytest.approx(row[name], abs=1e-3), name
    assert (face["expression"], face["in_range"]) == (row["expression"], row["in_range"])
    assert np.ravel(face["landmarks68_px"]) == pytest.approx(row["landmarks68_px"], abs=0.05)
    assert face["box_px"] == pytest.approx(row["box_px"], abs=0.05)
    assert len(face["numbers"]) == 6
    assert {"smile", "AU12", "expression_happy"} < set(face["probabilities"])
    assert face["probabilities"]["AU26"]["is_experimental"]


def test_a_large_photo_has_its_points_in_its_own_pixels(client: Client, smiling: Path) -> None:
    image = next(iter(read_frames(smiling))).image
    large = cv2.resize(image, (3840, 3840), interpolation=cv2.INTER_CUBIC)
    sent = bytes(cv2.imencode(".jpg", large[:, :, ::-1])[1])
    found = client.ask("POST", "/api/v1/read", content=sent).json()
    small = client.ask("POST", "/api/v1/read", content=bytes(cv2.imencode(".png", image[:, :, ::-1])[1])).json()
    assert (found["width_px"], found["height_px"]) == (3840, 3840)
    points, expected = (np.array(each["faces"][0]["landmarks68_px"]) for each in (found, small))
    assert float(np.abs(points / 20 - expected).mean()) < 2


def test_an_embedding_is_that_of_the_dataset(client: Client, photo: Path) -> None:
    found = client.ask("POST", "/api/v1/embed", content=photo.read_bytes()).json()
    encoder = fabnet.load("small")
    face = fabnet.crop_faces(photo)[0]
    assert found["faces"][0]["embedding"] == pytest.approx(encoder.embed([face.image])[0].tolist(), abs=1e-4)
    assert found["model"] == "small"


def test_the_limits_are_told_and_kept(site: Site, photo: Path) -> None:
    few = Client(site, rate=0.3)  # bursts of three
    assert few.json("/api/v1")["limits"]["per_second"] == 0.3
    statuses = [few.get("/api/v1/faces/1/nearest").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    refused = few.ask("POST", "/api/v1/read", content=photo.read_bytes())
    assert int(refused.headers["retry-after"]) >= 1
    assert "0.3 a second" in refused.json()["detail"]
    assert few.get("/api/v1/faces/1").status_code == 200  # costs little


def test_a_token_is_needed_where_one_is_set(site: Site) -> None:
    guarded = Client(site, token="a-secret-of-24-characters")
    for path in ("/", "/main.js", "/healthz", "/api/v1/dataset", "/api/v1/openapi.json", "/?token=wrong"):
        answer = guarded.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), path
        assert "Authorization: Bearer" in answer.json()["detail"]
    for value in ("Bearer wrong", "Basic a-secret-of-24-characters", "a-secret-of-24-characters", "Bearer é"):
        assert guarded.get("/healthz", headers={"authorization": value.encode()}).status_code == 401
    for cookie in ("fabnet-x=1", "=;;", "fabnet-" + "a" * 4000):
        assert guarded.get("/healthz", headers={"cookie": cookie}).status_code == 401
    assert guarded.get("/healthz", headers={"authorization": "Bearer a-secret-of-24-characters"}).status_code == 200
    opened = guarded.get("/?token=a-secret-of-24-characters")
    assert (opened.status_code, opened.headers["location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Strict"} < set(opened.headers["set-cookie"].split("; "))
    assert "a-secret" not in opened.headers["set-cookie"]
    cookie = opened.headers["set-cookie"].split(";")[0]
    for others in ("", 'prefs={"a":1}; ', "b=[1, 2]; ", "flag; ", "=; "):  # of other programs on this host
        assert guarded.get("/", headers={"cookie": f"{others}{cookie}; c=1"}).status_code == 200, others
    described = guarded.get("/api/v1/openapi.json", headers={"cookie": cookie}).json()
    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_a_server_for_others_prints_its_token(faces_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(str(faces_data), "--host", "0.0.0.0") as (url, _):
        address, token = re.fullmatch(r"(http://0\.0\.0\.0:\d+)/\?token=([\w-]{32})", url).groups()  # type: ignore[union-attr]
        with pytest.raises(urllib.error.HTTPError, match="401") as refusal:
            urllib.request.urlopen(f"{address}/healthz")
        refusal.value.close()
        asked = urllib.request.Request(f"{address}/healthz", headers={"authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked) as answer:
            assert answer.status == 200
    monkeypatch.setenv("FABNET_TOKEN", "short")
    with pytest.raises(InputError, match="FABNET_TOKEN must have 16"):
        fabnet.serve(faces_data, host="0.0.0.0", port=0)


def test_the_examples_of_the_page_work(server: str, photo: Path) -> None:
    text = PAGE.read_text().replace("http://127.0.0.1:8000", server)
    (python,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", python], cwd=photo.parent, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"yaw -?\d+ ± \d+ degrees \w+.*", lines[0])
    assert len(lines) == 4
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    (shell,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    for line in shell.splitlines():
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        done = subprocess.run(line, shell=True, cwd=photo.parent, capture_output=True, text=True, env=environment)
        assert json.loads(done.stdout).get("faces"), (line, done.stdout)
