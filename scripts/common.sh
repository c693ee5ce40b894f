# What scripts/run and scripts/test share. Sourced; `root` is the source tree.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
preset=()                         # cmake's, where it is not the usual build

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "needs root, or sudo, to run: $*" >&2
    return 1
  fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >&2; }

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs what scripts/packages lists and dpkg does not know; without a missing package it does nothing.
install_packages() {
  local missing=() name
  if ! command -v apt-get >/dev/null; then
    echo "no apt-get here: taking it that what scripts/packages lists is installed" >&2
    return 0
  fi
  while read -r name; do
    is_installed "$name" || missing+=("$name")
  done < <(grep -v -e '^#' -e '^$' "$root/scripts/packages")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing: ${missing[*]}" >&2
  apt update || echo "the package lists cannot be brought up to date; trying with those that are here" >&2
  apt install -y --no-install-recommends "${missing[@]}" && return 0
  echo "cannot install: ${missing[*]}" >&2
  echo "they are in Debian 12, section main; when apt-get above could not reach its server, look at the network and at /etc/apt/sources.list" >&2
  return 1
}

# Configures once and builds what changed. The log is shown when it fails.
build_all() {
  local log
  mkdir -p "$build"
  log=$build/build.log
  if [ ! -f "$build/Makefile" ] && ! cmake -S "$root" -B "$build" "${preset[@]}" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  if [ ! -x "$build/vega-lua" ]; then echo "building (the first time takes a minute)" >&2; fi
  if ! make -C "$build" -j"$(nproc)" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    echo "the build failed; its whole log is in $log" >&2
    return 1
  fi
}
