#!/bin/sh
# $1: how many versions are installed after this: 1 after an installation, 2
# during an upgrade.
systemd-sysusers restaple.conf >/dev/null 2>&1 || getent passwd restaple >/dev/null ||
	useradd --system --user-group --no-create-home --home-dir /var/lib/restaple \
		--shell /usr/sbin/nologin --comment "keeps OCSP staples fresh" restaple

# The service would make them. What runs before it does, a first try by hand or
# a deploy hook, cannot.
for d in /var/lib/restaple /var/lib/restaple/staples; do
	[ -e $d ] || install -d -o restaple -g restaple -m 0755 $d
done

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
	if [ "$1" -eq 1 ]; then
		echo "restaple: say in /etc/restaple/restaple.yaml what to look after, then: systemctl enable --now restaple"
	fi
fi
exit 0
