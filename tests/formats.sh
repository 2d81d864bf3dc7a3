#!/usr/bin/env bash
# bash tests/formats.sh: checks the tool's output with other programs: Python's MCAP reader
# and its strict OpenMetrics parser (both from PyPI), and Prometheus' promtool (Debian's
# package prometheus).
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
command -v promtool >/dev/null || { echo "promtool is missing: apt-get install prometheus" >&2; exit 1; }
cargo build --quiet --locked --features cli --bin quoit
python=$target/formats/bin/python
if ! "$python" -c 'import mcap, prometheus_client' 2>/dev/null; then
  python3 -m venv "$target/formats"
  "$target/formats/bin/pip" install --quiet 'mcap>=1.2' prometheus_client
fi
quoit=$target/debug/quoit
scratch=$(mktemp -d)
ring=quoit-formats-$$
trap 'rm -rf "$scratch" "/dev/shm/$ring"' EXIT

before=$(date +%s%N)
seq 1 1000 | "$quoit" send "$ring"
"$quoit" metrics "$ring" | promtool check metrics
"$quoit" metrics --openmetrics "$ring" >"$scratch/openmetrics"
"$quoit" record "$ring" "$scratch/mcap"
"$python" - "$scratch" "$ring" "$before" "$(date +%s%N)" <<'PYTHON'
import sys
from mcap.reader import make_reader
from prometheus_client.openmetrics.parser import text_string_to_metric_families

scratch, ring, before, after = sys.argv[1:]
with open(scratch + "/mcap", "rb") as file:
    reader = make_reader(file, validate_crcs=True)
    messages = list(reader.iter_messages())
    assert reader.get_summary().statistics.message_count == 1000
assert [message.data for _, _, message in messages] == [b"%d" % n for n in range(1, 1001)]
assert all(channel.topic == ring and channel.metadata["quoit.kind"] == "0" for _, channel, _ in messages)
times = [message.log_time for _, _, message in messages]
assert int(before) <= times[0] and times == sorted(times) and times[-1] <= int(after)
# Frames of 8 bytes and a header of 8.
assert [message.sequence for _, _, message in messages] == list(range(0, 2000, 2))
with open(scratch + "/openmetrics") as file:
    families = {family.name: family for family in text_string_to_metric_families(file.read())}
assert families["quoit_pushed"].samples[0].value == 16000
print("1000 messages, and", len(families), "families of metrics")
PYTHON
