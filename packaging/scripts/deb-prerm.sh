#!/bin/sh
set -e

[ "$1" = remove ] || exit 0

if [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop restaple.service restaple-refresh.timer restaple-refresh.service || true
fi
if command -v systemctl >/dev/null; then
	systemctl disable restaple.service restaple-refresh.timer || true
fi
