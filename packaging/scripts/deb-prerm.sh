#!/bin/sh
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	systemctl disable --now restaple.service restaple-refresh.timer || true
	systemctl stop restaple-refresh.service || true
fi
