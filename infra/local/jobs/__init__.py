"""The local Databricks jobs server: runs the wheel tasks of a bundle's jobs behind the real Jobs API.

`python -m infra.local.jobs --port P --data-dir D` (see __main__.py).

The modules, in the order in which a run passes through them:

    bundle                  load the bundle's jobs for one target
    environment             build the wheel and install it in its own environment
    login, api              authenticate, validate and handle requests
    run_json, answers       format runs and errors as the real API does
    store                   keep runs, attempts and tokens in SQLite
    scheduler, execution    start the next run; run each attempt in its own process
    runner                  inside that process: call the wheel's entry point
    sql_statements          run SQL statements on the job's tables, as a SQL warehouse does
    pages, server           serve the web pages; wire everything together
"""
