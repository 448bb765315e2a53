"""What the functions of the API are given: the site, rows, conditions, and turns at costly work."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import Depends, HTTPException, Query, Request

from fabnet.serving.conditions import Condition
from fabnet.serving.site import CurrentSite, Site
from fabnet.serving.turns import Rate, Turns

__all__ = ["AT_ONCE", "Costly", "Count", "Here", "Index", "Row", "Where", "known", "turns"]

AT_ONCE = {"nearest": 4, "photo": 1, "map": 1, "compare": 1}
"""Costly requests of each kind that run at once; the others wait, without delaying cheap requests."""


def _site_of(
    request: Request,
    v: Annotated[str, Query(description="version of the dataset to which row numbers refer; others are refused")] = "",
) -> Site:
    shown: CurrentSite = request.app.state.shown
    site = shown.now()
    if v not in ("", site.catalogue.version):
        raise HTTPException(410, "the dataset was rewritten since the page was loaded, so its row numbers changed")
    return site


Here = Annotated[Site, Depends(_site_of)]


def _condition_of(
    site: Here,
    where: Annotated[
        list[str],
        Query(
            default_factory=list,
            description="COLUMN:LOW:HIGH (a bound may be empty) or COLUMN:CLASS; all must hold",
        ),
    ],
) -> Condition:
    return site.catalogue.condition(where)


Where = Annotated[Condition, Depends(_condition_of)]
Count = Annotated[int, Query(ge=1, le=200)]
Index = Annotated[int, Query(ge=0)]


def known(site: Site, row: int) -> int:
    """A row's number, which is checked."""
    if not 0 <= row < site.catalogue.num_rows:
        raise HTTPException(404, f"there is no row {str(row)[:20]}; the dataset has {site.catalogue.num_rows} rows")
    return row


def _row_of(site: Here, row: int) -> int:
    return known(site, row)


Row = Annotated[int, Depends(_row_of)]


def _within_rate(request: Request) -> None:
    rate: Rate = request.app.state.rate
    rate.take(request.client.host if request.client else "", time.monotonic())


Costly = Depends(_within_rate)
"""Dependency of costly requests: refuses them if too many come from one address."""


def turns(request: Request, kind: str) -> Turns:
    """The turns at one kind of costly work, of `AT_ONCE`."""
    found: Turns = request.app.state.turns[kind]
    return found
