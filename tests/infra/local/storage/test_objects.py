"""The server behaves like a small model for any sequence of changes with any preconditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import httpx
import pytest
from google.cloud import storage
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from infra.local.services.process import ServerProcess

pytestmark = pytest.mark.servers


@dataclass
class Thing:
    data: bytes
    generation: int
    metageneration: int = 1
    metadata: dict[str, str] = field(default_factory=dict)


NAMES = st.sampled_from(["a", "b", "c"])
# The precondition that a client sends: none, the current version, another one, or zero.
BELIEF = st.sampled_from(["unset", "unset", "right", "wrong", "zero"])
CONDITIONS = st.fixed_dictionaries(
    {"Generation": BELIEF, "Metageneration": BELIEF, "negative": st.booleans()},
)


class Storage(RuleBasedStateMachine):
    http: ClassVar[httpx.Client]
    bucket: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.things: dict[str, Thing] = {}
        self.newest = 0
        for item in self.http.get(self.url()).json().get("items", []):
            self.http.delete(self.url(item["name"]))

    def url(self, name: str | None = None) -> str:
        return f"/storage/v1/b/{self.bucket}/o" + (f"/{name}" if name else "")

    def query(self, name: str, beliefs: dict[str, Any], source: bool = False) -> tuple[dict[str, int], bool]:
        """The query parameters for the preconditions, and whether they hold."""
        thing, query, holds = self.things.get(name), {}, True
        for which, value in (
            ("Generation", thing and thing.generation),
            ("Metageneration", thing and thing.metageneration),
        ):
            belief = beliefs[which]
            if belief == "unset":
                continue
            sent = {"right": value or 0, "wrong": (value or 0) + 1, "zero": 0}[belief]
            actual = value if value is not None or which == "Metageneration" else 0
            query[f"if{'Source' if source else ''}{which}{'Not' if beliefs['negative'] else ''}Match"] = sent
            holds = holds and ((sent != actual) if beliefs["negative"] else (sent == actual))
        return query, holds

    def made(self, answer: httpx.Response, name: str, data: bytes, metadata: dict[str, str]) -> None:
        shown = answer.json()
        assert int(shown["generation"]) > self.newest
        self.newest = int(shown["generation"])
        self.things[name] = Thing(data, self.newest, 1, dict(metadata))

    @rule(name=NAMES, data=st.binary(max_size=20), conditions=CONDITIONS)
    def upload(self, name: str, data: bytes, conditions: dict[str, Any]) -> None:
        query, holds = self.query(name, conditions)
        answer = self.http.post(f"/upload{self.url()}", params={"uploadType": "media", "name": name, **query}, content=data)
        assert answer.status_code == (200 if holds else 412)
        if holds:
            self.made(answer, name, data, {})

    @rule(name=NAMES, value=st.sampled_from(["1", "2", None]), conditions=CONDITIONS)
    def patch(self, name: str, value: str | None, conditions: dict[str, Any]) -> None:
        query, holds = self.query(name, conditions)
        answer = self.http.patch(self.url(name), params=query, json={"metadata": {"k": value}})
        thing = self.things.get(name)
        assert answer.status_code == (404 if thing is None else 200 if holds else 412)
        if thing and holds:
            thing.metageneration += 1
            thing.metadata = {"k": value} if value else {}

    @rule(name=NAMES, conditions=CONDITIONS)
    def delete(self, name: str, conditions: dict[str, Any]) -> None:
        query, holds = self.query(name, conditions)
        answer = self.http.delete(self.url(name), params=query)
        assert answer.status_code == (404 if name not in self.things else 204 if holds else 412)
        if holds:
            self.things.pop(name, None)

    @rule(name=NAMES, conditions=CONDITIONS)
    def read(self, name: str, conditions: dict[str, Any]) -> None:
        query, holds = self.query(name, conditions)
        answer = self.http.get(self.url(name), params={"alt": "media", **query})
        refused = 304 if conditions["negative"] else 412
        assert answer.status_code == (404 if name not in self.things else 200 if holds else refused)

    @rule(
        verb=st.sampled_from(["copyTo", "rewriteTo", "moveTo"]),
        source=NAMES,
        name=NAMES,
        source_conditions=CONDITIONS,
        conditions=CONDITIONS,
    )
    def copy(
        self, verb: str, source: str, name: str, source_conditions: dict[str, Any], conditions: dict[str, Any]
    ) -> None:
        if verb == "moveTo" and source == name:
            return
        wanted, source_holds = self.query(source, source_conditions, source=True)
        query, holds = self.query(name, conditions)
        target = f"o/{name}" if verb == "moveTo" else f"b/{self.bucket}/o/{name}"
        answer = self.http.post(f"{self.url(source)}/{verb}/{target}", params={**wanted, **query})
        thing = self.things.get(source)
        assert answer.status_code == (404 if thing is None else 200 if holds and source_holds else 412)
        if thing and answer.status_code == 200:
            if verb == "moveTo":
                del self.things[source]
            shown = httpx.Response(200, json=answer.json().get("resource", answer.json()))
            self.made(shown, name, thing.data, thing.metadata)

    @rule(sources=st.lists(NAMES, min_size=1, max_size=3), name=NAMES, conditions=CONDITIONS)
    def compose(self, sources: list[str], name: str, conditions: dict[str, Any]) -> None:
        query, holds = self.query(name, conditions)
        body = {"sourceObjects": [{"name": source} for source in sources]}
        answer = self.http.post(f"{self.url(name)}/compose", params=query, json=body)
        there = all(source in self.things for source in sources)
        assert answer.status_code == (404 if not there else 200 if holds else 412)
        if answer.status_code == 200:
            self.made(answer, name, b"".join(self.things[source].data for source in sources), {})

    @invariant()
    def the_same_objects(self) -> None:
        listed = self.http.get(self.url()).json().get("items", [])
        assert [
            (item["name"], int(item["generation"]), int(item["metageneration"]), item.get("metadata", {}))
            for item in listed
        ] == [(name, thing.generation, thing.metageneration, thing.metadata) for name, thing in sorted(self.things.items())]

    def teardown(self) -> None:
        for name, thing in self.things.items():
            assert self.http.get(self.url(name), params={"alt": "media"}).content == thing.data


def test_any_sequence_of_changes(storage_server: ServerProcess, bucket: storage.Bucket) -> None:
    with httpx.Client(base_url=storage_server.url, trust_env=False) as http:
        machine = type("OnThisBucket", (Storage,), {"http": http, "bucket": bucket.name})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
