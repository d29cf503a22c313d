"""The local Databricks jobs server: runs the wheel tasks of a bundle's jobs behind the real APIs.

`python -m infra.local.jobs --port P --data-dir D` (see __main__.py). It reads our bundle by itself, because not everybody
has the Databricks CLI. With the CLI, the same bundle is deployed to it, next to what it has read (or instead, with
`--no-bundle`):

    DATABRICKS_HOST=http://127.0.0.1:P DATABRICKS_TOKEN=local databricks bundle deploy -t local    (or run, plan, destroy)

The modules, in the order in which a run passes through them:

    bundle                  load the bundle's jobs for one target
    job_settings            a job as its settings in the API describe it
    environment             build the wheel and install it in its own environment
    endpoints, login        authenticate and read requests
    api                     the Jobs API
    workspace               the workspace's files and folders, which the Databricks CLI deploys into
    posted_jobs             all jobs: the bundle's, and those that a client posted
    governance              permissions and Unity Catalog's schemas, kept but not enforced
    run_json, answers       format runs and errors as the real API does
    store                   keep runs, attempts and tokens in SQLite
    scheduler               start the next run; keep a run of continuous jobs alive
    tasks                   run the tasks of a run
    execution, sessions     run each attempt in its own process; end all that it has started
    runner                  inside that process: call the wheel's entry point
    sql_statements          run SQL statements on the job's tables, as a SQL warehouse does
    pages, server           serve the web pages; wire everything together
"""
