#!/bin/sh
# $1: how many versions are installed after this: 1 after an installation, 2
# during an upgrade.
systemd-sysusers restaple.conf >/dev/null 2>&1 || getent passwd restaple >/dev/null ||
	useradd --system --user-group --no-create-home --home-dir /var/lib/restaple \
		--shell /usr/sbin/nologin --comment "keeps OCSP staples fresh" restaple

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
	if [ "$1" -eq 1 ]; then
		echo "restaple: say in /etc/restaple/restaple.yaml what to look after, then: systemctl enable --now restaple"
	fi
fi
exit 0
