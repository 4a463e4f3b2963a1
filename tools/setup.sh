#!/usr/bin/env bash
# setup.sh [test] [check] [clang] [python] [mpi] -- install what is missing, and only that.
#
# Without arguments: what building and the demonstration need.  Each argument adds a group of the
# table below.  When everything is there this takes a fraction of a second and touches nothing.
# On Debian and its relatives the distribution's packages are installed with apt-get, with sudo when
# not root; on any other system the names are printed and the exit code is 3.
set -euo pipefail

compiler=${CC:-gcc}
# group  Debian package  how to see that it is there
table="
build   build-essential        command ${compiler%% *}
build   make                   command make
build   pkg-config             command pkg-config
build   libopenblas-dev        library openblas
build   libhdf5-dev            library hdf5
build   libjansson-dev         library jansson
build   libinih-dev            library inih
build   nettle-dev             library nettle
build   zlib1g-dev             library zlib
build   libutf8proc-dev        library libutf8proc
build   libjpeg-dev            library libjpeg
build   libpng-dev             library libpng
build   liblbfgs-dev           library liblbfgs
build   libwebp-dev            library libwebpdemux
build   libarchive-dev         library libarchive
build   libcsv-dev             file /usr/include/csv.h
build   gnuplot-nox            command gnuplot
build   dataset-fashion-mnist  file /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte*
test    libcmocka-dev          library cmocka
check   clang                  command clang
check   clang-format           command clang-format
check   clang-tidy             command clang-tidy
check   cppcheck               command cppcheck
check   shellcheck             command shellcheck
check   libomp-dev             file /usr/lib/llvm-*/lib/libomp.so
clang   clang                  command clang
clang   libomp-dev             file /usr/lib/llvm-*/lib/libomp.so
clang   libclang-rt-dev        file /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a
python  python3-h5py           module h5py
python  python3-pandas         module pandas
python  python3-xarray         module xarray
mpi     libopenmpi-dev         command mpicc
mpi     openmpi-bin            command mpirun
"

is_there() { # kind name
    case $1 in
    command) command -v "$2" ;;
    library) command -v pkg-config && pkg-config --exists "$2" ;;
    file) compgen -G "$2" ;;
    module) /usr/bin/python3 -c \
        'import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)' "$2" ;;
    esac >/dev/null 2>&1
}

# Prints the packages of the chosen groups that are not there.
missing() {
    local group package kind name
    while read -r group package kind name; do
        [[ " build $* " == *" $group "* ]] || continue
        is_there "$kind" "$name" || echo "$package"
    done <<<"$table" | sort -u
}

is_debian() {
    command -v apt-get >/dev/null && grep -qsE '^ID(_LIKE)?=.*debian' "${OS_RELEASE:-/etc/os-release}"
}

stop() {
    echo "setup: $1" >&2
    exit 3
}

for group in "$@"; do
    [[ " test check clang python mpi " == *" $group "* ]] || {
        echo "setup: no group '$group'; there are: test check clang python mpi" >&2
        exit 2
    }
done

mapfile -t packages < <(missing "$@")
[ ${#packages[@]} -gt 0 ] || exit 0

is_debian || stop "missing, by their Debian names: ${packages[*]}; install their equivalents, then try again"
apt_get=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120)
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        stop "neither root nor sudo; as root run: apt-get install ${packages[*]}"
    apt_get=(sudo "${apt_get[@]}")
fi

echo "setup: installing ${packages[*]}" >&2
install() { "${apt_get[@]}" install -y --no-install-recommends "${packages[@]}" >&2; }
# A fresh machine has no package lists; one that was set up long ago has old ones.
if ! compgen -G "/var/lib/apt/lists/*Packages*" >/dev/null || ! install; then
    "${apt_get[@]}" update >&2 || stop "apt-get update failed; is there a network?"
    install || stop "apt-get could not install ${packages[*]}; its reason stands above"
fi

mapfile -t packages < <(missing "$@")
[ ${#packages[@]} -eq 0 ] || stop "still missing after the installation: ${packages[*]}"
