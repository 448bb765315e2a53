from __future__ import annotations

from fabnet.retrieval.filters import all_of, in_time, in_video, not_of


def test_conditions_are_written_as_sql() -> None:
    assert in_video("it's.mp4") == "video = 'it''s.mp4'"
    assert in_time(1, 2.5) == "time_s >= 1.0 AND time_s < 2.5"
    assert in_time(None, 3) == "time_s < 3.0"
    assert in_time(None, None) is None
    assert not_of(["a"]) == "identity != 'a'"
    assert not_of(["b", "a", "b"]) == "identity NOT IN ('a', 'b')"
    assert not_of([]) is None
    assert all_of("x > 1 OR y > 2", None, "z = 3") == "(x > 1 OR y > 2) AND (z = 3)"
    assert all_of(None) is None
