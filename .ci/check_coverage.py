"""Fail if tests reach too little of the package; reads what "coverage json -o -" writes."""

import json
import sys

LEAST = {"statements": 97.0, "branches": 90.0}

report = json.load(sys.stdin)
for name, file in sorted(report["files"].items()):
    if file["missing_lines"]:
        print(f"{name}: not reached: {', '.join(map(str, file['missing_lines']))}")
totals = report["totals"]
reached = {
    "statements": 100.0 * totals["covered_lines"] / totals["num_statements"],
    "branches": 100.0 * totals["covered_branches"] / totals["num_branches"],
}
print(", ".join(f"{share:.1f} % of {what}" for what, share in reached.items()), "reached by tests")
sys.exit(any(reached[what] < least for what, least in LEAST.items()))
