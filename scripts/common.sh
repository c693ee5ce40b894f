# What scripts/run and scripts/test share. Sourced; `root` is the source tree.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
preset=()                         # cmake's, where it is not the usual build

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else
    echo "needs root (or sudo) to run: $*" >&2
    return 1
  fi
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs what scripts/packages lists and dpkg does not know; without a missing package it does nothing.
install_packages() {
  local missing=() name
  while read -r name; do
    is_installed "$name" || missing+=("$name")
  done < <(grep -v '^#' "$root/scripts/packages")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing: ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get update -q >&2
  as_root apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
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
    return 1
  fi
}
