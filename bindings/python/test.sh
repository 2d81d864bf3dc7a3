#!/bin/sh
# Builds the wheel, installs it into a fresh environment under the target folder, and tests it.
# Cargo's target is that of bindings/c: both compile the same library.
#
# Ends with 75, and says why, if Python 3.11, its module venv or PyPI cannot be had.
set -eu
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$PWD/../c/target}
mkdir -p "$target/python"
target=$(cd "$target" && pwd)
export CARGO_TARGET_DIR="$target"
venv=$target/python/venv wheels=$target/python/wheels

without() {
  echo "$1"
  exit 75
}

rm -rf "$venv" "$wheels"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || without 'no Python 3.11'
python3 -m venv "$venv" || without 'Python has no module venv'
pip="$venv/bin/python -m pip --disable-pip-version-check --quiet --retries 1 --timeout 20"
$pip install 'maturin>=1.16,<2' numpy pytest || without 'no PyPI: maturin, numpy and pytest are missing'
# documented: pip wheel bindings/python
# documented: pip wheel --no-deps
# documented: pip wheel --no-deps bindings/python
PATH=$venv/bin:$PATH $pip wheel --no-deps --no-build-isolation --wheel-dir "$wheels" .
# documented: pip install quoit-*.whl
# documented: pip install quoit-*.whl numpy
$pip install --no-index "$wheels"/quoit-*.whl

# Not from here: the sources would be found before the wheel.
tests=$PWD
cd "$target/python"
exec venv/bin/python -B -m pytest -q -p no:cacheprovider --rootdir "$tests" "$tests/tests" "$@"
