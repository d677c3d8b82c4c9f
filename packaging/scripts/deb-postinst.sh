#!/bin/sh
set -e

[ "$1" = configure ] || exit 0

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers restaple.conf
elif ! getent passwd restaple >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/restaple \
		--shell /usr/sbin/nologin --comment "keeps OCSP staples fresh" restaple
fi

# The service would make them. What runs before it does, a first try by hand or
# a deploy hook, cannot.
for d in /var/lib/restaple /var/lib/restaple/staples; do
	[ -e $d ] || install -d -o restaple -g restaple -m 0755 $d
done

# Nothing is started by an installation: there is nothing to look after before
# somebody says what. After an upgrade, what runs runs the new version, unless
# the machine's policy-rc.d is against it.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	if [ -n "$2" ]; then
		# Otherwise dpkg would take a configuration that the new version refuses
		# for an installation that failed.
		deb-systemd-invoke try-restart restaple.service restaple-refresh.timer ||
			echo "restaple: it is installed and does not start: systemctl status restaple" >&2
	else
		echo "restaple: say in /etc/restaple/restaple.yaml what to look after, then: systemctl enable --now restaple"
	fi
fi
