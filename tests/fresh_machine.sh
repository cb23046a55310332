#!/usr/bin/env bash
# Proves that a bare machine needs nothing by hand: makes a minimal Debian 12 with debootstrap in a temporary folder,
# clones this repository's HEAD into it, runs jobs/quickstart.sh and tests/run.sh there, and removes it all.
#
#   sudo bash tests/fresh_machine.sh
#   CACHE=FOLDER sudo -E bash tests/fresh_machine.sh     keeps debootstrap's packages there for the next time
#
# Everything is mounted in a mount namespace of its own, which ends with the script, however it ends.  Needs root, git,
# 4 GB under $TMPDIR and a Debian 12 mirror among this machine's apt sources; where one is missing it says so and
# returns 77 (skipped).
set -euo pipefail
[[ -z ${CACHE:-} ]] || CACHE=$(realpath -m "$CACHE")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
  echo "SKIPPED: $1" >&2
  exit 77
}

# The Debian 12 suites of this machine's apt sources, as lines of a sources.list.
debian_12_sources() {
  # shellcheck disable=SC2016  # apt-get fills in these names
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
    awk '$4 ~ /^bookworm(-updates|-security)?$/ && $3 == "main" { print "deb", $1, $2, $3 }' | sort -u
}

# Runs in namespaces of its own, with the new machine's root folder.
inside() {
  local root=$1 sources=$2 mirror began took_machine took_quickstart took_tests options=(--variant=minbase)
  mirror=$(awk '$3 !~ /-(updates|security)$/ { print $2; exit }' <<<"$sources")
  [[ $mirror != https:* ]] || options+=(--include=ca-certificates)
  if [[ -n ${CACHE:-} ]]; then
    mkdir -p "$CACHE"
    options+=(--cache-dir="$CACHE")
  fi
  began=$SECONDS
  echo "== A minimal Debian 12 in $root"
  if ! debootstrap "${options[@]}" bookworm "$root" "$mirror" >"$root.log" 2>&1; then
    tail -n 20 "$root.log" >&2
    return 1
  fi
  echo "$sources" >"$root/etc/apt/sources.list"
  # How this machine reaches its mirror (proxy, dated snapshots) holds for the new one too.
  apt-config dump | grep -E '^Acquire::(http|https|Check)' >"$root/etc/apt/apt.conf.d/90host" || true
  cp /etc/resolv.conf /etc/hosts "$root/etc/"
  mount -t proc proc "$root/proc"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount --bind /dev "$root/dev"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  mount -t tmpfs tmpfs "$root/dev/shm"
  git clone --quiet --no-hardlinks . "$root/ligature"
  took_machine=$((SECONDS - began))

  local environment=(HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin) name
  for name in http_proxy https_proxy no_proxy; do
    [[ -z ${!name:-} ]] || environment+=("$name=${!name}")
  done
  began=$SECONDS
  echo "== bash jobs/quickstart.sh"
  chroot "$root" env -i "${environment[@]}" bash /ligature/jobs/quickstart.sh
  took_quickstart=$((SECONDS - began))
  began=$SECONDS
  echo "== bash tests/run.sh"
  chroot "$root" env -i "${environment[@]}" bash /ligature/tests/run.sh
  took_tests=$((SECONDS - began))

  echo "== A bare machine works"
  printf '%-24s %5d s\n' 'making the machine' "$took_machine" jobs/quickstart.sh "$took_quickstart" \
    tests/run.sh "$took_tests"
}

if [[ ${1:-} == --inside ]]; then
  inside "$2" "$3"
  exit
fi

((EUID == 0)) || skip "debootstrap and chroot need root."
command -v git >/dev/null || skip "git is not installed."
command -v apt-get >/dev/null || skip "this machine has no apt, and so no Debian mirror to take."
# shellcheck source=jobs/packages.sh
. jobs/packages.sh
install_packages 'debootstrap          makes a minimal Debian' || skip "debootstrap is not to be had."
sources=$(debian_12_sources)
if [[ -z $sources ]]; then
  apt-get -q update >/dev/null  # the lists may just not be there yet
  sources=$(debian_12_sources)
fi
[[ -n $sources ]] || skip "no Debian 12 (bookworm) mirror among this machine's apt sources."
unshare --mount --pid --fork --kill-child true || skip "this machine lets no new mount and process namespaces be made."

echo "Commit $(git rev-parse --short HEAD)$(git diff --quiet HEAD || echo ', without the uncommitted changes here')"
root=$(mktemp -d "${TMPDIR:-/tmp}/ligature-fresh.XXXXXX")
chmod 755 "$root"
trap 'rm -rf --one-file-system "$root" "$root.log"' EXIT
unshare --mount --pid --fork --kill-child --mount-proc bash tests/fresh_machine.sh --inside "$root" "$sources"
