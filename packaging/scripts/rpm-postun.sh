#!/bin/sh
# $1: how many versions are installed after this: 1 at the end of an upgrade.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || :
	if [ "$1" -ge 1 ]; then
		systemctl try-restart restaple.service restaple-refresh.timer || :
	fi
fi
exit 0
