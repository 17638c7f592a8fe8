#!/bin/sh
# Installs the Debian packages that a file lists (tests/lab/packages.txt), without starting a service of theirs.
set -eu

fail() {
    echo "setup: $1" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "not root: packages, network namespaces and nft rules need root (run: sudo make)"
command -v apt-get >/dev/null || fail "apt-get not found: expected Debian 12 or a relative of it"

list=${1:-$(dirname "$0")/packages.txt}
missing=$(grep -v '^#' "$list" | while read -r package; do
    dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
done)
[ -n "$missing" ] || exit 0

# Debian starts a service when its package is installed, unless this file says no (exit code 101).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi

echo "setup: installing $(echo "$missing" | tr '\n' ' ')"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || fail "apt-get update failed: see above"
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $missing >/dev/null || fail "apt-get install failed: see above"
