#!/bin/sh
# $1: how many versions are installed after this: 0 at a removal.
if [ "$1" -eq 0 ] && [ -d /run/systemd/system ]; then
	systemctl disable --now restaple.service restaple-refresh.timer || :
	systemctl stop restaple-refresh.service || :
fi
exit 0
