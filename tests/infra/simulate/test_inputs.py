from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.simulate.inputs import MEASURED, read_inputs
from tests.infra.simulate.strategies import QUICK


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    path = tmp_path / "performance.json"
    path.write_text(json.dumps({"simulate": {"measured": "2026-11-25", "command": "test", "times": QUICK.as_dict()}}))
    return path


def test_locally_all_times_are_those_measured(measured: Path) -> None:
    inputs = read_inputs("local", measured)
    assert inputs.times == inputs.warm_times == QUICK
    assert inputs.measured == "2026-11-25, test"


def test_on_databricks_start_event_and_function_are_assumptions_and_the_steps_those_measured(measured: Path) -> None:
    inputs = read_inputs("databricks", measured)
    assert inputs.times.start != QUICK.start
    assert inputs.warm_times.start > inputs.times.start
    assert (inputs.times.load, inputs.times.finish, inputs.times.open) == (QUICK.load, QUICK.finish, QUICK.open)
    assert inputs.times.validation.per_row == QUICK.validation.per_row


def test_the_assumed_number_of_instances_is_that_of_the_deployment() -> None:
    terraform = (MEASURED.parents[1] / "infra/gcp/function/variables.tf").read_text()
    block = terraform.partition('variable "max_instances"')[2]
    assert f"default     = {read_inputs('databricks').times.instances}\n" in block


def test_what_is_missing_or_unknown_is_refused_with_one_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "performance.json"
    empty.write_text("{}")
    with pytest.raises(ValueError, match="make simulate CHECK=1 KEEP=1"):
        read_inputs("local", empty)
    with pytest.raises(ValueError, match="'azure'"):
        read_inputs("azure")
