#!/usr/bin/env python3
"""Classifies an archive of videos on a Ray cluster, as dask_archive.py does it with Dask.

    pip install -r requirements.txt "ray==2.60.0"
    python ray_archive.py recordings --out results -- --every 1
    python ray_archive.py recordings --out results --address ray://10.0.0.1:10001 -- --every 1

Without --address, it starts Ray on this machine. It uses tasks (Ray Core) and not Ray Data, which writes results at the
end only.
"""

import argparse
import os
import pathlib
import sys

import dask_archive
import ray
from dask_archive import DONE, UNREADABLE, Job, Unit


# A task whose worker process dies runs again, twice at most.
@ray.remote(num_cpus=1, max_retries=2)
def classify(unit: Unit, job: Job) -> str | None:
    """See dask_archive.classify()."""
    return dask_archive.classify(unit, job)


def run(job: Job) -> dict[str, str]:
    """Classifies everything. Returns why videos failed, by their names."""
    problem = dask_archive.check(job)
    if problem:
        raise SystemExit(f"ray_archive: {problem}")
    todo = dask_archive.units(job)
    waiting = {classify.remote(unit, job): unit for unit in todo}
    failed = {}
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        unit = waiting.pop(done)
        name = unit.video if unit.range is None else f"{unit.video}@{unit.range}"
        try:
            reason = ray.get(done)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
        if reason is not None:
            failed[name] = reason
            print(f"ray_archive: {reason}", file=sys.stderr, flush=True)
        print(f"{len(todo) - len(waiting)} of {len(todo)}: {name}", flush=True)
    return failed


def main() -> int:
    """Runs the program; returns the exit code."""
    arguments = sys.argv[1:]
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder of the videos")
    parser.add_argument("--out", required=True, help="folder of the results")
    parser.add_argument("--address", help="address of a Ray cluster (default: this machine)")
    parser.add_argument("--program", default="catdog", help="the program on the workers (%(default)s)")
    options = parser.parse_args(arguments[:at])
    if dask_archive.is_store(options.source) or dask_archive.is_store(options.out):
        parser.error("name folders; dask_archive.py reads object stores")
    if option := dask_archive.refused(arguments[at + 1 :], options.source):
        parser.error(f"{option} cannot be used here")
    folder = str(pathlib.Path(__file__).resolve().parent)
    ray.init(options.address, runtime_env={"env_vars": {"PYTHONPATH": folder}}, log_to_driver=False)
    source, out = map(os.path.abspath, (options.source, options.out))
    job = Job(source, out, arguments[at + 1 :], options.program)
    return UNREADABLE if run(job) else DONE


if __name__ == "__main__":
    sys.exit(main())
