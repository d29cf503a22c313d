"""Fixtures of all tests of the deployment."""

from tests.infra.deploy.recorded_programs import no_real_installation, programs

__all__ = ["no_real_installation", "programs"]
