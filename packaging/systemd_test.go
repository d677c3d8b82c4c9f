package packaging

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restaple/restaple/packaging/internal/machine"
)

// common is what the scripts of these tests begin with: a lab whose responder
// runs, with a certificate for nginx, and words to wait and look with.
const common = `
trap 'journalctl --no-pager -n 80 >&2' EXIT
until_() { # until a command succeeds, a minute at most
	for i in $(seq 600); do "$@" && return; sleep 0.1; done
	return 1
}
status() { systemctl show -P StatusText restaple.service; }
is_status() { [ "$(status)" = "$1" ]; }
served() { # by whom listens at a port
	openssl s_client -connect 127.0.0.1:"$1" -servername site.test -status </dev/null 2>&1
}
serves_good() { served "$1" | grep 'Cert Status: good'; }
serves_none() { served "$1" | grep -E 'OCSP response: no response sent|OCSP Response Status: trylater'; }

rm -rf /usr/sbin/policy-rc.d /var/lib/restaple # of the machine around this one
dpkg --install /payload/restaple.deb
[ "$(systemctl is-enabled restaple.service || true)" = disabled ]
not systemctl is-active restaple.service

# Not of restaple: a CA, a responder, and a certificate.
restaple lab init /lab >/dev/null
restaple lab issue /lab site.test --out /tmp/site.pem >/dev/null
systemd-run --quiet --unit=lab restaple lab serve /lab
until_ curl -s -o /dev/null http://127.0.0.1:8889/
cat /tmp/site.pem /tmp/site.key >/tmp/bundle.pem
config() { { echo 'allow: [127.0.0.0/8]'; cat "$1"; } >/etc/restaple/restaple.yaml; }
`

func files(t *testing.T) map[string]string {
	return map[string]string{
		"restaple.deb": file(t, "1.2.3", ".deb"),
		"new.deb":      file(t, "1.3.0", ".deb"),
		"examples":     "../examples",
	}
}

// TestTheServiceOnAMachineWithNginx is about the package, the unit and the
// examples for nginx as they are, with systemd, polkit and nginx of this
// machine.
func TestTheServiceOnAMachineWithNginx(t *testing.T) {
	machine.Require(t, "systemd")
	t.Parallel()
	machine.Machine{Systemd: true, Files: files(t)}.Run(t, common+`
install -d /etc/nginx/tls
install -m 0644 /tmp/site.pem /etc/nginx/tls/site.pem
install -m 0600 /tmp/site.key /etc/nginx/tls/site.key
rm -f /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*
cat >/etc/nginx/conf.d/site.conf <<'END'
server {
	listen 443 ssl;
	server_name site.test;
	ssl_certificate /etc/nginx/tls/site.pem;
	ssl_certificate_key /etc/nginx/tls/site.key;
	ssl_stapling on;
	ssl_stapling_file /var/lib/restaple/staples/site.pem.ocsp;
}
END
install -D -m 0644 /payload/examples/systemd/60-restaple-reload-nginx.rules -t /etc/polkit-1/rules.d

# As it is installed it has nothing to do, and says what to do about it.
not systemctl start restaple.service
journalctl --no-pager -u restaple.service | grep 'hint: name files or directories under certificates: in /etc/restaple/restaple.yaml'
systemctl stop restaple.service

config /payload/examples/systemd/nginx.yaml

# The guide's first steps, as they stand there.
awk '/^The packages make the user/ {on = 1} /^Start restaple before/ {on = 0} on && /^    restaple config|^    runuser/' \
	/usr/share/doc/restaple/packaging/OPERATIONS.md | tee /tmp/steps
[ "$(wc -l </tmp/steps)" = 2 ]
code=0; bash -ex /tmp/steps | tee /tmp/said || code=$?
[ $code = 1 ] # there is no staple yet
grep 'would place a staple valid until' /tmp/said

# nginx does not start without the file of its staple, which is there in time.
not nginx -t -q
systemctl enable restaple.service
printf '[Unit]\nWants=nginx.service restaple.service\n' >/run/systemd/system/boot.target
systemctl daemon-reload
systemctl start boot.target # both at once, as when a machine boots
until_ is_status '1 fresh, 0 failing'
serves_good 443
[ "$(stat -c %U:%a /var/lib/restaple/staples/site.pem.ocsp)" = restaple:644 ]
[ "$(systemctl show -P User restaple.service)" = restaple ]

# Reloads of nginx by polkit: what is revoked is served no more.
restaple lab revoke /lab site.test
echo damaged >/var/lib/restaple/staples/site.pem.ocsp # asked about at once
until_ serves_none 443
until_ is_status '0 fresh, 1 failing (1 revoked)'
# In the journal, lines have the priority of their level.
errors() { journalctl --no-pager -o cat -p err -u restaple.service >/tmp/errors; grep "$1" /tmp/errors; }
until_ errors '^time=.* level=ERROR .*revoked'
not errors 'level=INFO'
restaple lab good /lab site.test
systemctl restart restaple.service
until_ serves_good 443
# ... and nothing else.
not runuser -u restaple -- systemctl --no-ask-password stop nginx.service
not runuser -u restaple -- systemctl --no-ask-password restart nginx.service
not runuser -u restaple -- systemctl --no-ask-password try-reload-or-restart systemd-journald.service

# A configuration that is wrong is not taken, and systemctl says why.
cp /etc/restaple/restaple.yaml /tmp/good.yaml
echo 'no_such_key: 1' >>/etc/restaple/restaple.yaml
not systemctl reload restaple.service
until_ errors '^/etc/restaple/restaple.yaml:[0-9]*: no_such_key'
is_status '1 fresh, 0 failing'
cp /tmp/good.yaml /etc/restaple/restaple.yaml
systemctl reload restaple.service
until_ is_status '1 fresh, 0 failing'

# Killed, it comes back. Stuck, the watchdog gets it.
pid() { systemctl show -P MainPID restaple.service; }
other() { [ "$(pid)" != "$1" ] && [ "$(pid)" != 0 ] && is_status '1 fresh, 0 failing'; }
old=$(pid)
kill -KILL "$old"
until_ other "$old"
mkdir -p /run/systemd/system/restaple.service.d
printf '[Service]\nWatchdogSec=2s\n' >/run/systemd/system/restaple.service.d/watchdog.conf
systemctl daemon-reload
systemctl restart restaple.service
old=$(pid)
kill -STOP "$old"
until_ other "$old"
journalctl --no-pager -u restaple.service | grep 'Watchdog timeout'
rm -r /run/systemd/system/restaple.service.d
systemctl daemon-reload

# The timer's service does the same without the daemon, and beside it.
systemctl start restaple-refresh.service
systemctl stop restaple.service
rm /var/lib/restaple/staples/site.pem.ocsp
systemctl start restaple-refresh.service
test -s /var/lib/restaple/staples/site.pem.ocsp
systemctl start restaple-refresh.timer
systemctl list-timers --no-pager | grep restaple-refresh
systemctl start restaple.service

# What certbot, acme.sh, lego and dehydrated run, as root.
deployed() {
	rm /var/lib/restaple/staples/site.pem.ocsp
	"$@"
	[ "$(stat -c %U /var/lib/restaple/staples/site.pem.ocsp)" = restaple ]
}
systemctl stop restaple.service
CERT_FULLCHAIN_PATH=/etc/nginx/tls/site.pem deployed /payload/examples/acme.sh/restaple
LEGO_CERT_PATH=/etc/nginx/tls/site.pem deployed /payload/examples/lego/restaple
deployed /payload/examples/dehydrated/restaple deploy_cert site.test k c /etc/nginx/tls/site.pem ch 1
install -d -m 0700 /etc/letsencrypt /etc/letsencrypt/archive /etc/letsencrypt/live
restaple lab issue /lab other.test --out /tmp/other.pem >/dev/null
for name in site other; do # whose files have the same name
	install -d /etc/letsencrypt/{archive,live}/$name.test
	cp /tmp/$name.pem /etc/letsencrypt/archive/$name.test/fullchain1.pem
	ln -s ../../archive/$name.test/fullchain1.pem /etc/letsencrypt/live/$name.test/fullchain.pem
done
chmod 0755 /etc/letsencrypt
chgrp restaple /etc/letsencrypt/live /etc/letsencrypt/archive
chmod 0750 /etc/letsencrypt/live /etc/letsencrypt/archive
sed -i 's#/etc/nginx/tls#/etc/letsencrypt/live/*/fullchain.pem#; s#{base}#{path}#' /etc/restaple/restaple.yaml
for name in site.test other.test; do
	RENEWED_LINEAGE=/etc/letsencrypt/live/$name /payload/examples/certbot/restaple
	test -s /var/lib/restaple/staples/etc/letsencrypt/live/$name/fullchain.pem.ocsp
	runuser -u nobody -- test -r /var/lib/restaple/staples/etc/letsencrypt/live/$name/fullchain.pem.ocsp # a server that has no rights any more
done
systemctl start restaple-refresh.service
cp /tmp/good.yaml /etc/restaple/restaple.yaml

# Without polkit: a file that is touched.
rm /etc/polkit-1/rules.d/60-restaple-reload-nginx.rules
cp /payload/examples/systemd/restaple-reload-nginx.* /etc/systemd/system
sed -i 's#command: .*#command: [touch, /var/lib/restaple/reload-nginx]#' /etc/restaple/restaple.yaml
grep '^    systemctl' /payload/examples/systemd/README.md | bash -ex # what it says to do
until_ is_status '1 fresh, 0 failing'
restaple lab revoke /lab site.test
echo damaged >/var/lib/restaple/staples/site.pem.ocsp
until_ serves_none 443
restaple lab good /lab site.test
systemctl restart restaple.service
until_ serves_good 443

# With signals.
systemctl stop restaple-reload-nginx.path
install -D -m 0644 /payload/examples/systemd/restaple.service.d/signal-servers.conf -t /etc/systemd/system/restaple.service.d
sed -i 's#command: .*#signal: {pid_file: /run/nginx.pid, process: nginx}#' /etc/restaple/restaple.yaml
systemctl daemon-reload
systemctl restart restaple.service
until_ is_status '1 fresh, 0 failing'
restaple lab revoke /lab site.test
echo damaged >/var/lib/restaple/staples/site.pem.ocsp
until_ serves_none 443
restaple lab good /lab site.test
systemctl restart restaple.service
until_ serves_good 443

# As root, without any hook: restaple itself has nginx try its configuration and
# reload. There is no /etc/haproxy/certs here.
rm -r /etc/systemd/system/restaple.service.d
test ! -e /etc/haproxy/certs
install -D -m 0644 /payload/examples/systemd/restaple.service.d/as-root.conf -t /etc/systemd/system/restaple.service.d
sed '/hooks:/d; /- name:/d; /command:/d' /tmp/good.yaml >/etc/restaple/restaple.yaml
systemctl daemon-reload
systemctl restart restaple.service
until_ is_status '1 fresh, 0 failing'
restaple lab revoke /lab site.test
echo damaged >/var/lib/restaple/staples/site.pem.ocsp
until_ serves_none 443
restaple lab good /lab site.test
systemctl restart restaple.service
until_ serves_good 443
rm -r /etc/systemd/system/restaple.service.d
cp /tmp/good.yaml /etc/restaple/restaple.yaml
systemctl daemon-reload
systemctl restart restaple.service
until_ is_status '1 fresh, 0 failing'

# An upgrade restarts it. That the new version refuses the configuration is not
# dpkg's affair.
echo 'no_such_key: 1' >>/etc/restaple/restaple.yaml
dpkg --install /payload/new.deb 2>&1 | tee /tmp/said
grep 'does not start' /tmp/said
dpkg --status restaple | grep '^Status: install ok installed$'
cp /tmp/good.yaml /etc/restaple/restaple.yaml
until_ is_status '1 fresh, 0 failing'
dpkg --install /payload/restaple.deb

# An upgrade restarts it, unless the machine's policy is against it; a removal
# ends it.
old=$(pid)
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
dpkg --install /payload/new.deb
[ "$(pid)" = "$old" ]
rm /usr/sbin/policy-rc.d
dpkg --install /payload/new.deb
until_ other "$old"
[ "$(systemctl is-enabled restaple.service)" = enabled ]
dpkg --remove restaple
not systemctl is-active restaple.service
not systemctl is-active restaple-refresh.timer
serves_good 443
nginx -t -q
dpkg --purge restaple
nginx -t -q
`)
}

// TestTheServiceOnAMachineWithHAProxy is about staples beside certificates,
// HAProxy's socket, and the drop-ins for both.
func TestTheServiceOnAMachineWithHAProxy(t *testing.T) {
	machine.Require(t, "systemd")
	t.Parallel()
	machine.Machine{Systemd: true, Files: files(t)}.Run(t, common+`
install -d -g restaple -m 1775 /etc/haproxy/certs
install -m 0640 -g ssl-cert /tmp/bundle.pem /etc/haproxy/certs/site.pem
cat >/etc/haproxy/haproxy.cfg <<'END'
global
	user haproxy
	group haproxy
	stats socket /run/haproxy/admin.sock mode 660 group haproxy level admin
defaults
	mode http
	timeout connect 5s
	timeout client 5s
	timeout server 5s
frontend site
	bind :443 ssl crt /etc/haproxy/certs
	http-request return status 200
END
for service in restaple restaple-refresh; do
	install -D -m 0644 /payload/examples/systemd/restaple.service.d/{read-certificates,beside-certificates,haproxy-socket}.conf \
		-t /etc/systemd/system/$service.service.d
done
config /payload/examples/systemd/haproxy.yaml
systemctl daemon-reload

# The server first, without a staple: the socket brings it.
systemctl start haproxy.service
serves_none 443
systemctl start restaple.service
until_ is_status '1 fresh, 0 failing'
until_ serves_good 443
[ "$(stat -c %U:%a /etc/haproxy/certs/site.pem.ocsp)" = restaple:644 ]

# Then a reload, which reads the file.
systemctl reload haproxy.service
until_ serves_good 443

# restaple's user can neither read other keys nor touch what is not its own.
systemd-run --quiet --wait --pipe -p User=restaple -p SupplementaryGroups=ssl-cert sh -c '
	! rm -f /etc/haproxy/certs/site.pem && ! mv /etc/haproxy/certs/site.pem /etc/haproxy/certs/x'
systemctl start restaple-refresh.service

# Drop-ins count for the services only, groups for what is run by hand, too.
by_hand() { runuser -u restaple -- restaple refresh --force --config /etc/restaple/restaple.yaml --state-dir /var/lib/restaple; }
not by_hand
adduser restaple ssl-cert
not by_hand # which cannot reach the socket
adduser restaple haproxy
by_hand
serves_good 443

# As root, with the drop-in for that.
systemctl stop restaple.service
rm -r /etc/systemd/system/restaple*.service.d /etc/haproxy/certs/site.pem.ocsp
chown root:root /etc/haproxy/certs/site.pem
chmod 0600 /etc/haproxy/certs/site.pem
chmod 0755 /etc/haproxy/certs
install -D -m 0644 /payload/examples/systemd/restaple.service.d/as-root.conf -t /etc/systemd/system/restaple.service.d
systemctl daemon-reload
systemctl start restaple.service
until_ is_status '1 fresh, 0 failing'
[ "$(stat -c %U:%a /etc/haproxy/certs/site.pem.ocsp)" = root:644 ]
`)
}

// TestTheExamplesOfSystemdHaveAReader says that the tests above install every
// drop-in there is.
func TestTheExamplesOfSystemdHaveAReader(t *testing.T) {
	source, err := os.ReadFile("systemd_test.go")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("../examples/systemd/restaple.service.d/*.conf")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		name := filepath.Base(p)
		if !strings.Contains(string(source), name) && !strings.Contains(string(source), name[:len(name)-len(".conf")]) {
			t.Errorf("no machine is tried with %s", name)
		}
	}
}
