#!/bin/sh
# Installs what the build and the tests need of the system: git, and certificates to reach the module proxy. As root on
# Debian it installs them; elsewhere it says what is missing.
set -eu
need=""
command -v git >/dev/null 2>&1 || need="$need git"
[ -e /etc/ssl/certs/ca-certificates.crt ] || [ "$(uname)" != Linux ] || need="$need ca-certificates"
[ -n "$need" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q >&2
	# shellcheck disable=SC2086 # one word a package
	apt-get install -q -y --no-install-recommends $need >&2
else
	echo "please install:$need" >&2
	exit 1
fi
