#!/usr/bin/env bash
# `make check-bare`: demo and test in a fresh clone, with what this machine happens to have hidden by mounts in a namespace of
# its own, so that nothing works by luck. As root it runs twice: as root, and as an ordinary user.
#
#   tools/check_bare.sh [demo|test|all]
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
root=$PWD

if [ "${CHECK_BARE_INSIDE:-}" != 1 ]; then
  export CHECK_BARE_INSIDE=1
  if [ "$(id -u)" = 0 ]; then
    exec unshare --mount --propagation private "$0" "$what"
  fi
  exec unshare --user --map-current-user --keep-caps --mount --propagation private "$0" "$what"
fi

hide_file() { mount --bind /dev/null "$1"; }
hide_folder() { mount -t tmpfs -o size=16k,mode=755 none "$1"; }

for program in node nodejs npm npx gcc g++ cc c++ chromium chromium-browser rabbitmq-server rabbitmqctl erl epmd psql postgres pg_config uv; do
  for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin; do
    if [ -e "$folder/$program" ]; then hide_file "$(readlink -f "$folder/$program")" 2>/dev/null || true; fi
  done
done
for folder in /usr/lib/rabbitmq /usr/lib/erlang /usr/lib/chromium /usr/lib/postgresql; do
  if [ -d "$folder" ]; then hide_folder "$folder"; fi
done
for library in /usr/lib/*/libmagic.so.1*; do
  if [ -e "$library" ]; then hide_file "$(readlink -f "$library")" 2>/dev/null || true; fi
done
for program in node npm gcc chromium rabbitmq-server psql; do
  if "$program" --version >/dev/null 2>&1; then echo "check-bare: $program is still there" >&2; exit 1; fi
done

play() { # label, command prefix...
  local label=$1; shift
  local place
  place=$(mktemp -d /tmp/waggle-bare-XXXXXX)
  git clone --quiet --no-hardlinks "$root" "$place/waggle"
  chmod 755 "$place"
  if [ "$label" = user ]; then chown -R 1000:1000 "$place"; fi
  # how this machine reaches its registries stays: certificates, proxies, mirrors
  local reach=()
  while IFS= read -r line; do reach+=("$line"); done < <(env | grep -E '^(SSL_|UV_|PIP_|NPM_|npm_config_|NODE_EXTRA|REQUESTS_CA|CURL_CA|[a-zA-Z_]*(proxy|PROXY)=)' || true)
  local env=(env -i "${reach[@]}" HOME="$place" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 CHECK_BARE_INSIDE=1)
  local targets=()
  if [ "$what" != test ]; then targets+=("DEMO_EXIT=1 make demo"); fi
  if [ "$what" != demo ]; then targets+=("make test"); fi
  for target in "${targets[@]}"; do
    echo "check-bare: $target as $label"
    if ! "$@" "${env[@]}" bash -c "cd '$place/waggle' && git config --global --add safe.directory '*' && $target"; then
      echo "check-bare: $target failed as $label; its clone stays in $place" >&2
      exit 1
    fi
  done
  rm -rf "$place"
}

if [ "$(id -u)" = 0 ]; then
  play root
  play user setpriv --reuid 1000 --regid 1000 --clear-groups
else
  play user setpriv --inh-caps=-all --ambient-caps=-all
fi
echo "check-bare: passed"
