#!/usr/bin/env bash
# Tests the bridge against nats-server: bash bridges/nats/test.sh [NAME...]
#
# Needs a Rust toolchain and a crate registry. nats-server comes from Debian if it is
# missing, nats-py from PyPI into a fresh environment; where one of them cannot be had, a
# line says what was skipped. QUOIT_NATS_SOAK=1 asks for the long form. Servers listen on
# the loopback alone, with stores in temporary directories, and nothing is left behind.
set -euo pipefail
cd "$(dirname "$0")"
exec </dev/null

skipped() {
  printf 'SKIPPED: %s\n' "$*"
  exit 0
}

if ! command -v nats-server >/dev/null; then
  command -v apt-get >/dev/null || skipped 'there is no nats-server, and no apt to install it with'
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  { "${root[@]}" apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq --no-install-recommends nats-server
  } >/dev/null 2>&1 || skipped 'nats-server cannot be installed here'
fi
nats-server --version

target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target"
if [ -z "${QUOIT_NATS_PYTHON:-}" ]; then
  venv=$target/nats-py
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import nats' 2>/dev/null; then
    export QUOIT_NATS_PYTHON=$venv/bin/python
  elif python3 -m venv "$venv" 2>/dev/null &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'nats-py>=2.11,<3' 2>/dev/null; then
    export QUOIT_NATS_PYTHON=$venv/bin/python
  else
    printf 'nats-py cannot be installed here\n'
  fi
fi

# The lints of Clippy run in the compilation of the tests: `cargo clippy` compiles 170 crates again.
if clippy-driver --version >/dev/null 2>&1; then
  export RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings
fi
names() { find /dev/shm -mindepth 1 -maxdepth 1 -name 'quoit-nats-*' -printf '%f\n' | sort; }
before=$(names)
cargo test --locked --quiet --lib
cargo test --locked --quiet --doc
cargo test --locked --quiet --test bridge -- "$@"
left=$(comm -13 <(printf '%s\n' "$before") <(names))
[ -z "$left" ] || { printf 'left in /dev/shm: %s\n' $left && exit 1; }
