"""Fails when a package is covered too little: `coverage json -o - | python scripts/check_coverage.py PERCENT`."""

import json
import sys
from collections import defaultdict
from pathlib import PurePath
from typing import TypedDict


class Summary(TypedDict):
    """What `coverage json` says of a file, as far as it is used here; branches count as lines do."""

    num_statements: int
    covered_lines: int
    num_branches: int
    covered_branches: int


def main() -> int:
    least = float(sys.argv[1])
    files = {path: measured["summary"] for path, measured in json.load(sys.stdin)["files"].items()}
    packages = percent_by_package(files)
    for package, percent in sorted(packages.items()):
        print(f"{percent:6.1f} %  {package}{'' if percent >= least else f'  is below {least:g} %'}")
    return 0 if packages and min(packages.values()) >= least else 1


def percent_by_package(files: dict[str, Summary]) -> dict[str, float]:
    """How much of each folder's own files is covered, in percent."""
    covered: dict[str, int] = defaultdict(int)
    total: dict[str, int] = defaultdict(int)
    for path, summary in files.items():
        package = PurePath(path).parent.as_posix().replace("/", ".")
        covered[package] += summary["covered_lines"] + summary["covered_branches"]
        total[package] += summary["num_statements"] + summary["num_branches"]
    return {package: 100 * covered[package] / count for package, count in total.items() if count}


if __name__ == "__main__":
    sys.exit(main())
