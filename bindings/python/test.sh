#!/bin/sh
# Builds the wheel, installs it into a fresh environment under target/, and tests it.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../../target/python}
mkdir -p "$target"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR="$target"

rm -rf "$target/venv" "$target/wheels"
python3 -m venv "$target/venv"
pip="$target/venv/bin/pip --disable-pip-version-check --quiet"
$pip wheel --no-deps --wheel-dir "$target/wheels" .
$pip install "$target"/wheels/quoit-*.whl numpy pytest
# Not from here: the sources would be found before the wheel.
cd "$target"
exec venv/bin/python -m pytest -q -p no:cacheprovider --rootdir "$OLDPWD" "$OLDPWD/tests" "$@"
