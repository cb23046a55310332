# shellcheck shell=bash
# The Debian and Ubuntu packages that each command needs, each with its reason, and the function that installs the
# missing ones.  Sourced by jobs/build.sh, tests/run.sh and .ci/run, so that a bare machine needs nothing by hand.
#
# The names are the same on Debian 12 and Ubuntu 24.04 (where several are in "universe", which is on by default).

# shellcheck disable=SC2034  # the lists are used by the scripts that source this file
build_packages='
g++                  C++20 compiler
cmake                build system
ninja-build          runs the build
pkgconf              finds libraries that bring no CMake file
libopenmpi-dev       MPI
openmpi-bin          mpirun
libtbb-dev           threads on a node
libxxhash-dev        linkage keys and digests
libhdf5-openmpi-dev  HDF5, the parallel kind
libssl-dev           HMAC-SHA-256 of pseudonyms
libhwy-dev           SIMD, chosen at run time
libcli11-dev         command line
libtomlplusplus-dev  job files
libfmt-dev           text formatting
libspdlog-dev        log lines
nlohmann-json3-dev   run manifest
libzstd-dev          .zst extracts
zlib1g-dev           .gz extracts
'

# shellcheck disable=SC2034
test_packages='
libgtest-dev         unit tests
python3              reference CSV reader, dataset checks
python3-h5py         opens the dataset as a user would
hdf5-tools           h5dump
'

# shellcheck disable=SC2034
cluster_packages='
iproute2                  hosts as network namespaces
munge                     Slurm, for a test
slurmctld                 its controller
slurmd                    its nodes
slurm-client              sbatch, srun
slurm-wlm-basic-plugins   its PMIx
libpmix2                  PMIx
'

# shellcheck disable=SC2034
check_packages='
git                  lists the files of the tree
clang                fuzzing
libclang-rt-dev      sanitizers and libFuzzer for clang
llvm                 names in sanitizer reports
lld                  links what has sanitizers in a third of the time
clang-format         code layout
libbenchmark-dev     benchmarks
shellcheck           scripts
'

# install_packages LIST...: installs what is missing of the lists, and says what and why.
# With nothing missing it needs neither root nor a network.  Returns 1, having said what to do, if it cannot install.
install_packages() {
  local system='' name reason missing=() reasons=()
  # shellcheck disable=SC1091
  [[ -r /etc/os-release ]] && system=$(. /etc/os-release && echo "${ID:-} ${ID_LIKE:-}")
  if [[ " $system " != *" debian "* && " $system " != *" ubuntu "* ]]; then
    echo "This is not Debian or Ubuntu, so packages cannot be installed here.  Install by other means:" >&2
    printf '%s\n' "$@" | sed '/^$/d; s/^/  /' >&2
    echo "and build with: cmake --preset release && cmake --build --preset release" >&2
    return 1
  fi
  while read -r name reason; do
    [[ -n $name ]] || continue
    if [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) != installed ]]; then
      missing+=("$name")
      reasons+=("$(printf '  %-20s %s' "$name" "$reason")")
    fi
  done < <(printf '%s\n' "$@")
  ((${#missing[@]})) || return 0

  echo "Installing with apt-get:"
  printf '%s\n' "${reasons[@]}"
  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "Installing needs root, and there is no sudo here.  As root, run:" >&2
      echo "  apt-get update && apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  # A machine that has just started often holds the package lock for a minute: wait for it.
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0)
  local log
  log=$(mktemp)
  # Of the two only the second need succeed: one source of packages out of reach is no matter if the others have them.
  "${apt[@]}" update >"$log" 2>&1 || true
  if "${apt[@]}" install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  tail -n 25 "$log" >&2
  echo "apt-get could not install them (its whole output: $log)." >&2
  return 1
}
