"""Prints the settings (ligature rebuild --set) that make a job file do without local patient ids, one a line.

usage: without_local_ids.py JOB.toml
"""

import json
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    extracts = tomllib.load(file)["extract"]
for i, extract in enumerate(extracts):
    if extract["columns"].pop("local_id", None):
        columns = ", ".join(f"{key} = {json.dumps(name)}" for key, name in extract["columns"].items())
        print(f"extract.{i}.columns={{{columns}}}")
