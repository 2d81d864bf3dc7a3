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

# The peers in Rust, C and C++.
cargo build --locked --quiet --examples
cargo build --locked --quiet --lib --manifest-path ../c/Cargo.toml
export QUOIT_PEERS="$target/debug"
library="$target/debug/libquoit_capi.a -lpthread -ldl -lm"
cc -std=c11 -O2 -I ../c/include ../c/tests/peers/peer.c -o "$QUOIT_PEERS/peer-c" $library
c++ -std=c++20 -O2 -I ../c/include ../c/tests/peers/peer.cpp -o "$QUOIT_PEERS/peer-cpp" $library

# Not from here: the sources would be found before the wheel.
tests=$PWD
cd "$target"
exec venv/bin/python -m pytest -q -p no:cacheprovider --rootdir "$tests" "$tests/tests" "$@"
