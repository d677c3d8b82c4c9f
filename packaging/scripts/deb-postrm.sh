#!/bin/sh
set -e

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi

# Staples stay as long as there are any: a server that is told to read a file
# does not start without it. The user stays, for files may be its own.
if [ "$1" = purge ] && [ -d /var/lib/restaple ]; then
	find /var/lib/restaple -mindepth 1 -maxdepth 1 ! -name staples ! -name '*.ocsp' -exec rm -rf -- {} +
	rmdir --ignore-fail-on-non-empty /var/lib/restaple/staples 2>/dev/null || true
	rmdir --ignore-fail-on-non-empty /var/lib/restaple
	if [ -d /var/lib/restaple ]; then
		echo "restaple: staples are left in /var/lib/restaple; remove them when no server reads them any more"
	fi
fi
