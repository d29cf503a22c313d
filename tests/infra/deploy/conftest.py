"""The tests of the steps share one fixture."""

from tests.infra.deploy.recorded_programs import programs

__all__ = ["programs"]
