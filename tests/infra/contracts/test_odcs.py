"""The contracts in the Open Data Contract Standard, validated by its JSON schema and by its published models."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from infra.contracts.odcs import API_VERSION, odcs, odcs_text
from spark_jobs.contract.feed import Feed
from spark_jobs.contract.feeds import CUSTOMER_ORDERS, FEEDS
from tests.infra.contracts.odd_feed import ODD

SCHEMA = json.loads(resources.files("open_data_contract_standard").joinpath("schema.json").read_text())
VALIDATOR = jsonschema.Draft201909Validator(SCHEMA)

each_feed = pytest.mark.parametrize("feed", [*FEEDS.values(), ODD], ids=lambda feed: feed.name)


def columns(feed: Feed) -> dict[str, dict[str, Any]]:
    return {column["name"]: column for column in odcs(feed)["schema"][0]["properties"]}


def custom(element: dict[str, Any]) -> dict[str, Any]:
    return {one["property"]: one["value"] for one in element["customProperties"]}


def test_the_schema_is_that_of_the_version() -> None:
    assert SCHEMA["properties"]["apiVersion"]["default"] == API_VERSION


@each_feed
def test_the_contract_is_valid(feed: Feed) -> None:
    contract = yaml.safe_load(odcs_text(feed))
    VALIDATOR.validate(contract)
    assert contract == odcs(feed)


@each_feed
def test_the_published_models_read_all_of_it(feed: Feed) -> None:
    loaded = OpenDataContractStandard.from_string(odcs_text(feed))
    assert loaded.model_dump(exclude_unset=True, by_alias=True) == odcs(feed)


def test_the_schema_notices_mistakes() -> None:
    contract = odcs(CUSTOMER_ORDERS)
    items = next(one for one in contract["schema"][0]["properties"] if one["name"] == "items")
    items["items"]["properties"][0]["logicalTypeOptions"]["maxLen"] = 64
    assert not VALIDATOR.is_valid(contract)


def test_keys_have_their_positions() -> None:
    found = {name: (one["primaryKeyPosition"], one["unique"]) for name, one in columns(ODD).items() if "primaryKey" in one}
    assert found == {"size": (1, False), "line": (2, False), "day": (3, False), "label": (4, False)}
    assert columns(CUSTOMER_ORDERS)["order_id"]["unique"] is True


def test_values_of_an_enumeration_are_a_check_in_the_order_of_the_lifecycle() -> None:
    status = columns(CUSTOMER_ORDERS)["status"]
    (check,) = status["quality"]
    assert check["arguments"]["validValues"] == ["pending", "processing", "shipped", "delivered", "canceled"]
    assert (check["metric"], check["mustBe"]) == ("invalidValues", 0)
    assert custom(status) == {"synonyms": {"cancelled": "canceled"}}


def test_a_list_of_records_has_its_fields() -> None:
    items = columns(CUSTOMER_ORDERS)["items"]
    assert items["logicalTypeOptions"] == {"minItems": 1, "maxItems": 1000}
    fields = {field["name"]: field for field in items["items"]["properties"]}
    assert fields["quantity"]["logicalTypeOptions"] == {"format": "i64", "minimum": 1, "maximum": 1_000_000}
    assert fields["unit_price"]["physicalType"] == "DECIMAL(12,2)"
    assert items["examples"] == [[{"product_id": "P-17", "product_name": "Kettle", "quantity": 2, "unit_price": 24.9}]]
    assert items["physicalType"] == f"ARRAY<{items['items']['physicalType']}>"


def test_numbers_have_bounds_precision_and_scale() -> None:
    temperature = columns(ODD)["temperature"]
    assert temperature["logicalTypeOptions"] == {"minimum": -99.5, "maximum": 99, "multipleOf": 0.1}
    assert custom(temperature) == {"precision": 4, "scale": 1, "sinceVersion": 2}


def test_a_form_is_a_pattern() -> None:
    email = columns(CUSTOMER_ORDERS)["customer_email"]
    assert re.search(email["logicalTypeOptions"]["pattern"], "a@b@c") is None
    assert custom(email) == {"form": "an address with exactly one @ and no white space"}


def test_what_the_standard_lacks_is_in_custom_properties() -> None:
    contract = odcs(CUSTOMER_ORDERS)
    assert custom(contract) == {"fileNamePattern": "customer_orders_YYYY_MM_DD.csv", "tablePrefix": "customer_orders"}
    (table,) = contract["schema"]
    assert table["physicalName"] == "customer_orders_target"
    assert [one["column"] for one in custom(table)["newestBy"]] == list(CUSTOMER_ORDERS.newest_by)
    assert custom(table)["newestBy"][:2] == [
        {"column": "last_update_timestamp", "compare": "as timestamp"},
        {"column": "status", "compare": "by rank in validValues"},
    ]
    assert custom(table)["notBefore"][0] == {"later": "last_update_timestamp", "earlier": "ordered_at"}
    assert custom(columns(ODD)["seen_at"]) == {"secondsAllowedAfterArrival": 5400}
