"""The local Databricks jobs server: runs the jobs of a bundle, as wheels, behind the real Jobs API.

`python -m infra.local.jobs --port P --data-dir D` (see __main__.py).

The parts, in the order in which a run meets them:

    bundle, job             the bundle's files -> jobs, for one target (substitution fills in `${...}`)
    wheel, environment      the wheel, built and installed alone in an environment of its own
    login, api, fields      who may ask, what can be asked, what is refused
    run_json, answers       how a run, or a refusal, looks in an answer
    store, runs             runs, attempts and tokens, in SQLite
    scheduler, execution    which run goes next; its tasks and attempts, one process each (sessions ends them)
    runner                  inside that process: calls the wheel's entry point
    pages, server           the pages for people; everything put together
"""
