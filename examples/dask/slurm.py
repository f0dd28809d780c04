"""A campaign on Slurm: each job is a Dask worker that runs eight trials at once.

    python slurm.py nightly.toml --minutes 480

Needs dask-jobqueue and duress here and on the nodes; all arguments go to ``duress campaign``.
"""

import subprocess
import sys

from dask_jobqueue import SLURMCluster

JOBS = 4

with SLURMCluster(
    queue="normal",
    account="my-team",
    walltime="09:00:00",
    cores=8,
    processes=1,
    memory="24GB",
    python="python",
    job_script_prologue=["source ~/duress/bin/activate"],
) as cluster:
    cluster.scale(jobs=JOBS)
    cluster.wait_for_workers(1)
    words = ["duress", "campaign", *sys.argv[1:], "--scheduler", cluster.scheduler_address]
    done = subprocess.run(words, check=False)
sys.exit(done.returncode)
