"""Objects and tables do not take huge pages; the elements of large arrays do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SETTING = Path("/sys/kernel/mm/transparent_hugepage/enabled")

SCRIPT = """
import re
import rask.array as ra

def huge_kib():
    text = open("/proc/self/smaps").read()
    return sum(map(int, re.findall(r"^AnonHugePages: +([0-9]+) kB", text, re.M)))

before = huge_kib()
(ra.arange(1000, chunks=10) + 1).sum().compute(scheduler="threads")
small = huge_kib() - before
kept = (ra.ones(8_000_000, chunks=8_000_000) + 1).compute(scheduler="threads")
print(small, huge_kib() - before)
"""


@pytest.mark.skipif(
    not SETTING.exists() or "[madvise]" not in SETTING.read_text(),
    reason="the system gives huge pages to all or to none",
)
def test_only_large_allocations_have_huge_pages():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    small, large = map(int, re.findall(r"\d+", done.stdout))
    assert small == 0
    assert large >= 32 * 1024, "64 MB of ones are in ordinary pages"
