#!/bin/sh
set -e

[ "$1" = configure ] || exit 0

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers restaple.conf
elif ! getent passwd restaple >/dev/null; then
	useradd --system --user-group --no-create-home --home-dir /var/lib/restaple \
		--shell /usr/sbin/nologin --comment "keeps OCSP staples fresh" restaple
fi

# Nothing is started by an installation: there is nothing to look after before
# somebody says what. After an upgrade, what runs runs the new version.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	if [ -n "$2" ]; then
		# Otherwise dpkg would take a configuration that the new version refuses
		# for an installation that failed.
		systemctl try-restart restaple.service restaple-refresh.timer ||
			echo "restaple: it is installed and does not start: systemctl status restaple" >&2
	else
		echo "restaple: say in /etc/restaple/restaple.yaml what to look after, then: systemctl enable --now restaple"
	fi
fi
