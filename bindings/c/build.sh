#!/usr/bin/env bash
# Builds quoit for C and C++, and installs it: bindings/c/build.sh --prefix DIR
#
# Needs a Rust toolchain and a C compiler, and nothing else: cargo-c does the same and takes
# ten minutes to build, so it is not asked for. DESTDIR is put before what is installed, as
# with make; a libdir is in the prefix. Whatever is installed finds its neighbours by its own
# place, so that the prefix can be moved.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=/usr/local libdir=lib
while [ $# -gt 0 ]; do
  case $1 in
  --prefix=?* | --libdir=?*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
  --prefix | --libdir)
    printf -v "${1#--}" %s "${2?usage: $0 [--prefix DIR] [--libdir lib/x86_64-linux-gnu]}"
    shift 2
    ;;
  *) printf 'usage: %s [--prefix DIR] [--libdir lib/x86_64-linux-gnu]\n' "$0" >&2 && exit 2 ;;
  esac
done
libdir=${libdir#"${prefix%/}"/}
case $libdir in
"" | /* | .* | */.*) printf '%s: the libdir %s is not in the prefix %s\n' "$0" "$libdir" "$prefix" >&2 && exit 2 ;;
esac

# Cargo says where: a variable, a config file or a target may have moved it.
built=$(cargo build --locked --quiet --release --manifest-path "$here/Cargo.toml" \
  --message-format=json-render-diagnostics | sed -n 's#.*"\([^"]*\)/libquoit_capi\.a".*#\1#p')
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/Cargo.toml" | head -n 1)
soname=libquoit.so.${version%.*}

root=${DESTDIR:-}$prefix
lib=$root/$libdir
mkdir -p "$root/include" "$lib/pkgconfig" "$lib/cmake/quoit"
install -m 644 "$here"/include/quoit.h "$here"/include/quoit_inline.h "$here"/include/quoit.hpp "$root/include"
install -m 755 "$built/libquoit_capi.so" "$lib/libquoit.so.$version"
ln -sf "libquoit.so.$version" "$lib/$soname"
ln -sf "$soname" "$lib/libquoit.so"
install -m 644 "$built/libquoit_capi.a" "$lib/libquoit.a"
strip --strip-debug "$lib/libquoit.a" 2>/dev/null || true

# How far it is from the library folder to the prefix.
up=$(sed -E 's#[^/]+#..#g' <<<"$libdir")
for template in quoit.pc.in quoitConfig.cmake.in quoitConfigVersion.cmake.in; do
  case $template in *.pc.in) to=$lib/pkgconfig ;; *) to=$lib/cmake/quoit ;; esac
  sed -e "s#@VERSION@#$version#g" -e "s#@SONAME@#$soname#g" -e "s#@LIBDIR@#$libdir#g" -e "s#@UP@#$up#g" \
    "$here/packaging/$template" >"$to/${template%.in}"
done
printf 'quoit %s is installed in %s\n' "$version" "$root"
