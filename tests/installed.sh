# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# installed.sh: sourced by tests that use Tenon as a user does, who has it installed.

# install_build BUILD_DIR DIR: installs below DIR and points compilers, the loader and tenon there.
# DIR goes before the paths that pkg-config prints.
install_build() {
    DESTDIR=$2 meson install -C "$1" --no-rebuild || return 1
    pc=$(find "$2" -name tenon.pc)
    PKG_CONFIG_LIBDIR=$(dirname "$pc"):$(pkg-config --variable pc_path pkg-config)
    PKG_CONFIG_SYSROOT_DIR=$2
    LD_LIBRARY_PATH=$(dirname "$(dirname "$pc")")
    TENON_DATA=$(find "$2" -type d -path '*/share/tenon')
    export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH TENON_DATA
}
